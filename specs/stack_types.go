package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Stack is a directory of manifests that the operator keeps in force: where they are, whether edits act by themselves, and what may be removed.
type Stack struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   StackSpec   `json:"spec,omitempty"`
	Status StackStatus `json:"status,omitzero"`
}

// StackSpec is the desired state of a Stack.
type StackSpec struct {
	// Why this stack exists, in a sentence.
	Why string `json:"why,omitempty"`
	// Source is where the manifests are.
	Source StackSource `json:"source,omitempty"`
	// Sync: Auto (the default) follows the files; with Manual a change waits, as a plan, for `mirrorctl apply`.
	Sync SyncMode `json:"sync,omitempty"`
	// Locality of its routes: Sealed (none leaves the host), LocalFirst (the default: a remote backend only where the rule that allowed the
	// request says allowRemote) or Open.
	Locality Locality `json:"locality,omitempty"`
	// Suspend stops following the files. What runs is still healed.
	Suspend bool `json:"suspend,omitempty"`
	// Prune says what may be removed when its document goes.
	Prune *Prune `json:"prune,omitempty"`
	// DeletionPolicy says what happens to the stack's objects when the Stack goes: Delete (the default; it asks, as any prune) or Orphan.
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// AutoRollback puts the last good revision back in force when a change of what was in force fails: an object of it is stalled, or not
	// ready within its progress deadline. The failed contents are held until they are edited, or `mirrorctl rollout retry`. false holds the
	// change where it is. Default true.
	AutoRollback *bool `json:"autoRollback,omitempty"`
	// RevisionHistoryLimit is how many revisions are kept to go back to, beside the one in force, from 1 to 100. Default 10. They are dropped
	// some at a time, so there may be half as many more.
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
}

// Locality says how far requests may go.
type Locality string

// The localities, from the strictest.
const (
	LocalitySealed     Locality = "Sealed"
	LocalityLocalFirst Locality = "LocalFirst"
	LocalityOpen       Locality = "Open"
)

// StackSource is where a stack's manifests are.
type StackSource struct {
	// Path of the directory, relative to the Stack's file. Default: the directory of the file. Must be in the operator's manifest directory.
	Path string `json:"path,omitempty"`
	// Exclude passes over files and directories that match one of these patterns, as in .gitignore. Dot directories are never read.
	Exclude []string `json:"exclude,omitempty"`
}

// SyncMode says whether edits act by themselves.
type SyncMode string

// The sync modes.
const (
	SyncAuto   SyncMode = "Auto"
	SyncManual SyncMode = "Manual"
)

// Prune says what may be removed when its document goes.
type Prune struct {
	// Enabled: false never removes anything. Default true.
	Enabled *bool `json:"enabled,omitempty"`
	// MaxDeletePercent: removing three or more objects stops and asks when they are at least this part of the stack, from 1 to 100. Default 50.
	MaxDeletePercent *int32 `json:"maxDeletePercent,omitempty"`
}

// DeletionPolicy says what happens to the stack's objects when the Stack goes.
type DeletionPolicy string

// The deletion policies.
const (
	DeletionDelete DeletionPolicy = "Delete"
	DeletionOrphan DeletionPolicy = "Orphan"
)

// StackStatus is what was observed of a Stack.
type StackStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Live is the revision in force.
	Live *Revision `json:"live,omitempty"`
	// Disk is what the files hold now.
	Disk *Revision `json:"disk,omitempty"`
	// LastFailed is the last revision that was refused or could not be put in force.
	LastFailed *Revision `json:"lastFailed,omitempty"`
	// Faults of the files as they are on disk.
	Faults []Fault `json:"faults,omitempty"`
	// Pending is the plan that waits for `mirrorctl apply`.
	Pending *PendingPlan `json:"pending,omitempty"`
	// Objects counts, for each kind, how many are ready out of how many are declared.
	Objects []KindCount `json:"objects,omitempty"`
	// Conditions: Ready, Reconciling, Stalled, Synced.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Revision is one content of a stack.
type Revision struct {
	// Number that people name it by, from 1 on; 0 for a content that is not kept. A content keeps its number as long as it is kept.
	Number int64 `json:"number,omitempty"`
	// Digest of the content.
	Digest string `json:"digest"`
	// Commit that is checked out, when the directory is in a git work tree.
	Commit string `json:"commit,omitempty"`
	// Branch that is checked out.
	Branch string `json:"branch,omitempty"`
	// Dirty: the files differ from the commit.
	Dirty bool `json:"dirty,omitempty"`
	// Time it was seen, put in force or refused.
	Time metav1.Time `json:"time,omitzero"`
	// Message says what became of it, in a line.
	Message string `json:"message,omitempty"`
	// By whom it was put in force; empty when it followed the files.
	By string `json:"by,omitempty"`
}

// PendingPlan is a change that waits for somebody's word.
type PendingPlan struct {
	// Digest to give back to `mirrorctl apply --plan`.
	Digest string `json:"digest"`
	// Reason: Manual, PruneBlocked, or Held after somebody went back to an older revision.
	Reason string `json:"reason"`
	// Create, Update and Delete count objects.
	Create int32 `json:"create"`
	Update int32 `json:"update"`
	Delete int32 `json:"delete"`
	// Command that agrees.
	Command string `json:"command"`
}

// KindCount says how many objects of a kind are ready.
type KindCount struct {
	// Kind counted.
	Kind string `json:"kind"`
	// Ready out of Declared.
	Ready    int32 `json:"ready"`
	Declared int32 `json:"declared"`
}

// Fault is one thing that is wrong in a manifest, at its place.
type Fault struct {
	// File, relative to the stack's directory.
	File string `json:"file"`
	// Line and Column from 1; 0 when it concerns the whole file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Field, as spec.env[0].value.
	Field string `json:"field,omitempty"`
	// Message says what is wrong and what to do.
	Message string `json:"message"`
}
