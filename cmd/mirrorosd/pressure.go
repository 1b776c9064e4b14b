package main

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

const (
	// lowShare of a disk is little, unless it is more than lowBytes.
	lowShare = 0.05
	lowBytes = 64 << 20
	// lowFiles is how many more files there must be room for; where a file system does not count them it says 0 of 0.
	lowFiles = 64
)

// room is what is left of a file system for whoever asks.
type room struct{ free, size, freeFiles, files uint64 }

// pressure lists what holds now and should not. It looks when it is asked; nothing polls.
func (op *operator) pressure() []metav1.Condition {
	left, err := roomOf(op.State)
	c := diskPressure(op.State, left, err, op.store.Failure())
	if c == nil {
		return nil
	}
	return []metav1.Condition{*c}
}

// diskPressure tells whether the state can be written: now, by the store's last try, and soon, by what is left. nil when it can.
func diskPressure(dir string, left room, err, failure error) *metav1.Condition {
	reason, message := "", ""
	switch {
	case failure != nil:
		reason = specs.ReasonStateNotWritten
		message = fmt.Sprintf("state directory %s: %v. What runs goes on; changes are refused and tried again until they can be written: make room, or mend the disk", dir, failure)
	case err != nil:
		reason, message = specs.ReasonStateNotWritten, fmt.Sprintf("cannot look at state directory %s: %v", dir, err)
	case float64(left.free) < min(lowShare*float64(left.size), lowBytes):
		reason, message = specs.ReasonDiskNearlyFull, fmt.Sprintf("state directory %s has %d KiB left of %d KiB: make room before changes are refused", dir, left.free>>10, left.size>>10)
	case left.files > 0 && left.freeFiles < lowFiles:
		reason, message = specs.ReasonDiskNearlyFull, fmt.Sprintf("the file system of state directory %s has room for %d more files: remove some", dir, left.freeFiles)
	default:
		return nil
	}
	return &metav1.Condition{Type: specs.ConditionDiskPressure, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}
