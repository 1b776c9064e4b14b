package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

type logOptions struct {
	follow, previous, timestamps bool
	tail                         int
	since                        string
	selector                     string
}

func newLogs(c *command) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs PROCESS | process/NAME | instance/NAME | -l SELECTOR",
		Short: "Print what processes have written",
		Example: `  mirrorctl logs chat-model -f
  mirrorctl logs redis --previous --tail 20
  mirrorctl logs -l tier=model --since 10m --timestamps`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeObjects("processes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (o.selector == "") {
				return usageError("say whose log: a process, an instance, or -l SELECTOR")
			}
			return c.logs(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with new lines until interrupted")
	f.IntVar(&o.tail, "tail", -1, "how many last lines; -1: all that is kept")
	f.StringVar(&o.since, "since", "", "lines newer than a duration (10m) or a time (2026-11-23T14:00:00Z)")
	f.BoolVarP(&o.previous, "previous", "p", false, "the run before the current one")
	f.BoolVar(&o.timestamps, "timestamps", false, "put its time before each line")
	f.StringVarP(&o.selector, "selector", "l", "", "all processes with these labels")
	return cmd
}

// query of the log endpoint, with since made absolute.
func (o logOptions) query(now time.Time) (string, error) {
	q := url.Values{}
	for name, on := range map[string]bool{"follow": o.follow, "previous": o.previous, "timestamps": o.timestamps} {
		if on {
			q.Set(name, "true")
		}
	}
	if o.tail >= 0 {
		q.Set("tailLines", strconv.Itoa(o.tail))
	}
	if o.since != "" {
		at, err := time.Parse(time.RFC3339, o.since)
		if d, derr := time.ParseDuration(o.since); derr == nil {
			at, err = now.Add(-d), nil
		}
		if err != nil {
			return "", usageError("--since %q: want a duration such as 10m, or a time such as 2026-11-23T14:00:00Z", o.since)
		}
		q.Set("sinceTime", at.UTC().Format(time.RFC3339Nano))
	}
	return q.Encode(), nil
}

func (c *command) logs(ctx context.Context, o logOptions, args []string) error {
	query, err := o.query(c.now())
	if err != nil {
		return err
	}
	names, err := c.logInstances(ctx, o, args)
	if err != nil {
		return err
	}
	out := &lineWriter{w: c.Out}
	if len(names) == 1 {
		return c.log(ctx, names[0], query, out, "")
	}
	if !o.follow {
		for _, n := range names {
			if err := c.log(ctx, n, query, out, prefix(c.Out, n, names)); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, n := range names {
		wg.Go(func() { errs[i] = c.log(ctx, n, query, out, prefix(c.Out, n, names)) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func prefix(w io.Writer, name string, all []string) string {
	colours := []string{"36", "35", "34", "33", "32"}
	return paint(w, colours[slices.Index(all, name)%len(colours)], "["+name+"]") + " "
}

// logInstances finds the instances whose logs are meant: those of the processes named or selected, or instances by name.
func (c *command) logInstances(ctx context.Context, o logOptions, args []string) ([]string, error) {
	var processes []string
	var names []string
	if o.selector != "" {
		list, err := listOf[specs.Process](ctx, c, o.selector)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			processes = append(processes, p.Name)
		}
		if len(processes) == 0 {
			return nil, &exitError{exitFalse, "no process has labels " + o.selector}
		}
	}
	targets, _, err := parseTargets(args, "process")
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		switch t.kind.Kind {
		case "Process":
			if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), nil); err != nil {
				return nil, err
			}
			processes = append(processes, t.name)
		case "Instance":
			names = append(names, t.name)
		default:
			return nil, usageError("%s has no log: processes and instances have", t)
		}
	}
	if len(processes) == 0 {
		return names, nil
	}
	instances, err := listOf[specs.Instance](ctx, c, specs.LabelProcess+" in ("+strings.Join(processes, ",")+")")
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		names = append(names, i.Name)
	}
	if len(names) == 0 {
		return nil, &exitError{exitFalse, strings.Join(processes, ", ") + ": has no instance, so there is no log"}
	}
	return names, nil
}

// log prints one log. With follow it goes on where it was when the operator is started again.
func (c *command) log(ctx context.Context, name, query string, out *lineWriter, prefix string) error {
	path := kindPath(specs.KindOf("Instance"), name) + "/log?"
	away := absence{c: c}
	for place := ""; ; {
		next, err := c.logPart(ctx, path+query+place, out, prefix)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && next == "" && place == "":
			return c.client().explain(ctx, err)
		case ctx.Err() != nil:
			return nil // interrupted: that is how it ends
		case next == "" && place == "":
			return err
		case !strings.Contains(query, "follow=true"):
			return fmt.Errorf("cannot read the log of %s on: %w", name, err)
		}
		if next != "" {
			away.over()
			place = "&place=" + next
		}
		if err := away.wait(ctx, err); err != nil {
			return err
		}
	}
}

// logPart prints a log as far as the operator tells it, and answers where to go on; that is empty when nothing was answered.
func (c *command) logPart(ctx context.Context, path string, out *lineWriter, prefix string) (next string, err error) {
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	place, _ := strconv.ParseInt(res.Header.Get("Mirroros-Log-Place"), 10, 64)
	body := &logBody{r: res.Body, stamped: strings.Contains(path, "timestamps=true")}
	if prefix == "" {
		_, err = io.Copy(out, body)
	} else {
		err = out.copyLines(body, prefix)
	}
	if body.err != nil && !errors.Is(body.err, io.EOF) {
		err = errBroken
	}
	return strconv.FormatInt(place+body.whole, 10), err
}

// logBody passes whole lines of a log on, and counts how many bytes of the log they are. A line that was cut off comes again later.
type logBody struct {
	r       io.Reader
	stamped bool // lines begin with a time, which is not in the log
	whole   int64
	err     error  // with which r ended
	line    []byte // begun
	ready   []byte // to be passed on
}

func (b *logBody) Read(p []byte) (int, error) {
	for len(b.ready) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		var n int
		buf := make([]byte, 32<<10)
		n, b.err = b.r.Read(buf)
		b.line = append(b.line, buf[:n]...)
		end := bytes.LastIndexByte(b.line, '\n') + 1
		if errors.Is(b.err, io.EOF) || end == 0 && len(b.line) > 64<<10 {
			end = len(b.line) // a last line may be without an end, and a long one comes in pieces
		}
		b.ready, b.line = b.line[:end:end], b.line[end:]
		b.count(b.ready)
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

func (b *logBody) count(lines []byte) {
	b.whole += int64(len(lines))
	if !b.stamped {
		return
	}
	for line := range bytes.Lines(lines) {
		if stamp, _, ok := bytes.Cut(line, []byte(" ")); ok {
			b.whole -= int64(len(stamp)) + 1
		}
	}
}

// lineWriter lets several logs write whole lines to one output.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// copyLines writes each line of r with the prefix before it. A line is cut into pieces of 64 KiB at most.
func (l *lineWriter) copyLines(r io.Reader, prefix string) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var line bytes.Buffer
	for {
		piece, err := br.ReadSlice('\n')
		if len(piece) > 0 {
			line.Reset()
			line.WriteString(prefix)
			line.Write(bytes.TrimRight(piece, "\n"))
			line.WriteByte('\n')
			if _, err := l.Write(line.Bytes()); err != nil {
				return err
			}
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
