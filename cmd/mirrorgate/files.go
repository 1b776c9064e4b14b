package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// files are the four files that a gate runs on. Beside each it keeps a copy of the last that was good, for the day on which the file is not.
type files struct {
	dir string
	// config, endpoints, identities and budgets are what runs, and loaded the texts of them; nil for none.
	config     *proxy.Config
	endpoints  *proxy.Endpoints
	identities *proxy.Identities
	budgets    *ledger.Config
	loaded     map[string][]byte
}

// update takes new content; what is nil stays as it is. An error means that nothing changed.
type update func(*proxy.Config, *proxy.Endpoints, *proxy.Identities, *ledger.Config) error

const goodSuffix = ".good"

// load reads what changed, and has it in force. What cannot be is left as it was, and the error says why; at the start the last good copy
// takes its place.
func (f *files) load(apply update) error {
	if err := f.together(apply); err != nil {
		return f.apart(apply)
	}
	return nil
}

// together has what changed in force at once: a route that goes elsewhere and the addresses of where it goes belong together. An error means
// that nothing changed.
func (f *files) together(apply update) error {
	texts := map[string][]byte{}
	config, err := read[proxy.Config](f, proxy.ConfigFile, texts)
	if err != nil {
		return err
	}
	if config != nil && f.config == nil {
		good, err := os.ReadFile(filepath.Join(f.dir, proxy.ConfigFile) + goodSuffix)
		config.Proven = err == nil && string(good) == string(texts[proxy.ConfigFile])
	}
	endpoints, err := read[proxy.Endpoints](f, proxy.EndpointsFile, texts)
	if err != nil {
		return err
	}
	identities, err := read[proxy.Identities](f, proxy.IdentitiesFile, texts)
	if err != nil {
		return err
	}
	budgets, err := read[ledger.Config](f, ledger.ConfigFile, texts)
	if errors.Is(err, fs.ErrNotExist) && !f.known(ledger.ConfigFile) {
		err = nil // an operator that knows no budgets
	}
	if err != nil || len(texts) == 0 {
		return err
	}
	if err := apply(config, endpoints, identities, budgets); err != nil {
		return err
	}
	f.config, f.endpoints, f.identities = cmp.Or(config, f.config), cmp.Or(endpoints, f.endpoints), cmp.Or(identities, f.identities)
	f.budgets = cmp.Or(budgets, f.budgets)
	var errs []error
	for name, text := range texts {
		f.loaded[name] = text
		errs = append(errs, keep(filepath.Join(f.dir, name)+goodSuffix, text))
	}
	return errors.Join(errs...)
}

// read answers a file that is another than the one that runs and notes its text; nil for one that is the same.
func read[T any](f *files, name string, texts map[string][]byte) (*T, error) {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil || f.loaded[name] != nil && string(text) == string(f.loaded[name]) {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	texts[name] = text
	return v, nil
}

// known tells whether a file was ever written.
func (f *files) known(name string) bool {
	path := filepath.Join(f.dir, name)
	_, err := os.Stat(path)
	_, gerr := os.Stat(path + goodSuffix)
	return err == nil || gerr == nil
}

// apart does the same file by file, so that one that cannot be loaded keeps none of the others back.
func (f *files) apart(apply update) error {
	return errors.Join(
		loadFile(f, ledger.ConfigFile, &f.budgets, func(v *ledger.Config) error { return apply(nil, nil, nil, v) }),
		loadFile(f, proxy.IdentitiesFile, &f.identities, func(v *proxy.Identities) error { return apply(nil, nil, v, nil) }),
		loadFile(f, proxy.EndpointsFile, &f.endpoints, func(v *proxy.Endpoints) error { return apply(nil, v, nil, nil) }),
		loadFile(f, proxy.ConfigFile, &f.config, func(v *proxy.Config) error { return apply(v, nil, nil, nil) }),
	)
}

// loadFile loads one file when it is another than the one that runs.
func loadFile[T any](f *files, name string, running **T, apply func(*T) error) error {
	path := filepath.Join(f.dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *running == nil && !f.known(name) {
		return nil // nothing was ever declared
	}
	if err == nil && string(text) == string(f.loaded[name]) {
		return nil
	}
	if err == nil {
		err = take(running, text, apply)
	}
	if err == nil {
		f.loaded[name] = text
		return keep(path+goodSuffix, text)
	}
	err = fmt.Errorf("cannot load %q: %w", path, err)
	if *running != nil {
		return fmt.Errorf("%w; the last good one runs", err)
	}
	good, gerr := os.ReadFile(path + goodSuffix)
	if gerr == nil {
		gerr = take(running, good, apply)
	}
	if gerr != nil {
		return errors.Join(err, fmt.Errorf("cannot load the copy of the last good one either: %w", gerr))
	}
	return fmt.Errorf("%w; the last good one runs", err)
}

// take has a text in force.
func take[T any](running **T, text []byte, apply func(*T) error) error {
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	if err := apply(v); err != nil {
		return err
	}
	*running = v
	return nil
}

// keep writes a copy by rename, readable by its owner alone. Two gates at once write the same.
func keep(path string, text []byte) error {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot keep a copy: %w", err)
	}
	_, err = t.Write(text)
	if err = errors.Join(err, t.Close()); err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		os.Remove(t.Name())
		return fmt.Errorf("cannot keep a copy: %w", err)
	}
	return nil
}
