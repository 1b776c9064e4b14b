package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// sourceAnswer is where a file declares an object.
type sourceAnswer struct {
	File  string `json:"file"`
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Stack string `json:"stack"`
}

func newEdit(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "edit KIND/NAME",
		Short: "Edit an object where it is declared: its file at its line, or the object itself",
		Long: `For an object that a stack's file declares, edit opens a copy of that file at the object's line, checks it when the editor ends, and
puts it in the file's place whole. For an object made through the API it opens the object. $VISUAL, then $EDITOR, then vi.`,
		Example: `  mirrorctl edit process/chat-model
  EDITOR='code --wait' mirrorctl edit stack/home`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, _, err := parseTargets(args, "")
			if err != nil {
				return err
			}
			if len(targets) != 1 {
				return usageError("say which one object, such as process/web")
			}
			if k := targets[0].kind; k.OperatorOnly {
				return usageError("%s is written by the operator: %s", targets[0], k.Instead)
			}
			return c.edit(cmd.Context(), targets[0])
		},
	}
}

// source asks where an object is declared; NotFound when no file does.
func (c *command) source(ctx context.Context, t target) (*sourceAnswer, error) {
	var s sourceAnswer
	if err := c.client().getJSON(ctx, kindPath(t.kind, t.name)+"/source", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

func (c *command) edit(ctx context.Context, t target) error {
	var live object
	if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &live); err != nil {
		return err
	}
	s, err := c.source(ctx, t)
	switch {
	case isReason(err, metav1.StatusReasonNotFound):
		return c.editObject(ctx, t, live)
	case err != nil:
		return err
	}
	return c.editFile(s)
}

// editFile edits a copy of a manifest and puts it into the manifest's place.
func (c *command) editFile(s *sourceAnswer) error {
	path, err := filepath.EvalSymlinks(s.Path)
	if err != nil {
		return fmt.Errorf("cannot open %q: %v", s.Path, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read %q: %v", path, err)
	}
	return c.editText(editing{name: filepath.Base(path), text: before, line: s.Line, save: func(text []byte) error {
		if _, faults := specs.Load(s.File, text); len(faults) > 0 {
			return &faultsError{faults}
		}
		if err := replaceFile(path, before, text); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s written; `mirrorctl status` says what becomes of it\n", path)
		return nil
	}})
}

// faultsError is a list of faults, one a line.
type faultsError struct{ faults []specs.Fault }

func (e *faultsError) Error() string {
	var lines []string
	for _, f := range e.faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// replaceFile puts text in the place of a file whole, unless the file is no longer as it was.
func replaceFile(path string, before, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot write %q: %v", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write beside %q: %v", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), keepOwner(f, info), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("cannot write %q: %v", f.Name(), err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) {
		return fmt.Errorf("%q was changed by somebody else meanwhile", path)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("cannot write %q: %v", path, err)
	}
	return nil
}

// editObject edits an object of the API. Its resourceVersion goes back with it, so that nobody else's change is lost.
func (c *command) editObject(ctx context.Context, t target, live object) error {
	delete(live, "status")
	if m, ok := live["metadata"].(object); ok {
		delete(m, "managedFields")
	}
	text, err := yaml.Marshal(live)
	if err != nil {
		return fmt.Errorf("cannot show %s: %v", t, err)
	}
	return c.editText(editing{name: t.kind.Singular + "-" + t.name + ".yaml", text: text, line: 1, save: func(text []byte) error {
		body, err := specs.YAMLToJSON(text)
		if err != nil {
			return err
		}
		r := request{method: http.MethodPut, path: kindPath(t.kind, t.name), contentType: "application/json", body: body}
		if err := c.client().callJSON(ctx, r, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s edited\n", t)
		return nil
	}})
}

// editing is a text that somebody edits, and what is done with the result.
type editing struct {
	name string
	text []byte
	line int
	save func([]byte) error
}

// editText runs the editor until the text can be saved, is left as it was, or the user gives up; then the copy is kept.
func (c *command) editText(e editing) error {
	dir, err := os.MkdirTemp("", "mirrorctl-edit-")
	if err != nil {
		return fmt.Errorf("cannot make a copy to edit: %v", err)
	}
	path := filepath.Join(dir, e.name)
	if err := os.WriteFile(path, e.text, 0o600); err != nil {
		return fmt.Errorf("cannot make a copy to edit: %v", err)
	}
	for answers := bufio.NewReader(c.In); ; {
		if err := c.runEditor(path, e.line); err != nil {
			return fmt.Errorf("%w; your copy is %s", err, path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("cannot read your edit: %v", err)
		}
		if bytes.Equal(text, e.text) {
			fmt.Fprintln(c.Err, "Nothing was changed.")
			return os.RemoveAll(dir)
		}
		err = e.save(text)
		if err == nil {
			return os.RemoveAll(dir)
		}
		fmt.Fprintln(c.Err, paint(c.Err, red, err.Error()))
		if !isTerminal(c.In) || !c.again(answers) {
			var no *exitError
			if errors.As(err, &no) && no.code != exitFalse {
				return &exitError{no.code, "nothing was saved; your copy is " + path}
			}
			return &exitError{exitFalse, "nothing was saved; your copy is " + path}
		}
	}
}

func (c *command) again(answers *bufio.Reader) bool {
	fmt.Fprint(c.Err, "Edit again? [Y/n] ")
	line, err := answers.ReadString('\n')
	return err == nil && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "n")
}

func (c *command) runEditor(path string, line int) error {
	words, err := editorCommand(os.Getenv("VISUAL"), os.Getenv("EDITOR"), path, line)
	if err != nil {
		return err
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, c.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot edit with %q: %v", words[0], err)
	}
	return nil
}

// editorCommand is the command line that opens path at a line, as the editor's kind takes it.
func editorCommand(visual, editor, path string, line int) ([]string, error) {
	text := "vi"
	for _, e := range []string{editor, visual} {
		if strings.TrimSpace(e) != "" {
			text = e
		}
	}
	words, err := splitWords(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the editor %q: %v", text, err)
	}
	if line > 1 {
		switch filepath.Base(words[0]) {
		case "vi", "vim", "nvim", "view", "gvim", "nano", "pico", "emacs", "emacsclient", "kak", "micro", "joe", "mg", "ne", "gedit":
			return append(words, fmt.Sprintf("+%d", line), path), nil
		case "code", "code-insiders", "codium", "vscodium", "cursor":
			return append(words, "--goto", fmt.Sprintf("%s:%d", path, line)), nil
		case "hx", "helix", "subl", "zed":
			return append(words, fmt.Sprintf("%s:%d", path, line)), nil
		}
	}
	return append(words, path), nil
}
