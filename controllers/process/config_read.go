package process

import (
	"context"
	"encoding/json"
	"time"

	"mirroros.dev/mirroros/reconcile"
)

// A run that was told to read its configuration again has read what was there then. That is kept in the store, so that the next operator
// does not tell it once more.

// configBucket has what runs have read since their start, by instance.
const configBucket = "read-config"

// configRead is what a run has read at its last reload.
type configRead struct {
	Started time.Time         `json:"started"` // of the run
	Config  map[string]string `json:"config"`
}

// keepConfig keeps what a run has read just now. When that fails the next operator reloads once too often.
func (r *Reconciler) keepConfig(im *instanceMemory) {
	if im.run == nil {
		return
	}
	im.read = &configRead{Started: im.run.StartedAt, Config: im.config}
	b, err := json.Marshal(im.read)
	if err == nil {
		_, err = r.client.Txn(context.Background(), func(t *reconcile.ClientTx) error {
			t.PutBlob(configBucket, im.id, b)
			return nil
		})
	}
	if err != nil {
		r.o.Log.Error(err, "cannot keep what configuration was read", "instance", im.id)
	}
}

// dropConfig forgets what an instance has read.
func (r *Reconciler) dropConfig(id string) {
	_, err := r.client.Txn(context.Background(), func(t *reconcile.ClientTx) error {
		t.DeleteBlob(configBucket, id)
		return nil
	})
	if err != nil {
		r.o.Log.Error(err, "cannot forget what configuration was read", "instance", id)
	}
}

// rememberConfig reads what runs have read in the time of the operator before this one; that of runs that are no more goes.
func (r *Reconciler) rememberConfig() {
	r.client.Store().Blobs(configBucket, func(id string, value []byte) bool {
		owner, _, _, ok := parseInstanceName(id)
		if im := r.memory(owner).find(id); ok && im != nil && json.Unmarshal(value, &im.read) == nil {
			return true
		}
		r.dropConfig(id)
		return true
	})
}
