package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mirroros.dev/mirroros/specs"
)

// gateUsage is what a gate has to do. Rate and tokens are null where the metrics of the gate's process cannot be read.
type gateUsage struct {
	Name         string   `json:"name"`
	Address      string   `json:"address"`
	Rate         *float64 `json:"requestsPerSecond"`
	Requests     int64    `json:"requests"`
	Refused      int64    `json:"refused"`
	OpenStreams  int64    `json:"openStreams"`
	InputTokens  *int64   `json:"inputTokens"`
	OutputTokens *int64   `json:"outputTokens"`
}

// gateMetrics are the sums of one gate in the metrics of the process that serves it.
type gateMetrics struct{ requests, streams, input, output float64 }

// topGates shows what the gates do. Counts come from their status, about a second old; rates, streams and tokens from the metrics.
func (c *command) topGates(ctx context.Context, output string) error {
	list, err := listOf[specs.Gate](ctx, c, "")
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b specs.Gate) int { return strings.Compare(a.Name, b.Name) })
	all := make([]gateUsage, len(list))
	for i, g := range list {
		all[i] = gateUsage{Name: g.Name, Address: g.Status.Address, Requests: g.Status.Requests, Refused: g.Status.Refused, OpenStreams: int64(g.Status.OpenStreams)}
	}
	if len(all) > 0 {
		if err := c.measureGates(ctx, all, topPeriod); err != nil {
			if ctx.Err() != nil {
				return &exitError{exitFalse, "interrupted"}
			}
			fmt.Fprintf(c.Err, "cannot read the gate's metrics, so rates and tokens are not known: %v\n", err)
		}
	}
	if output != "" {
		return printObject(c.Out, output, map[string]any{"items": all})
	}
	if len(all) == 0 {
		fmt.Fprintln(c.Err, "There is no gate.")
		return nil
	}
	var rows [][]string
	for _, u := range all {
		rate, in, out := "?", "?", "?"
		if u.Rate != nil {
			rate, in, out = fmt.Sprintf("%.1f", *u.Rate), fmt.Sprint(*u.InputTokens), fmt.Sprint(*u.OutputTokens)
		}
		rows = append(rows, []string{u.Name, orDash(u.Address), rate, fmt.Sprint(u.Requests), fmt.Sprint(u.Refused), fmt.Sprint(u.OpenStreams), in, out})
	}
	columns(c.Out, []string{"NAME", "ADDRESS", "REQ/S", "REQUESTS", "REFUSED", "STREAMS", "TOKENS IN", "TOKENS OUT"}, rows)
	return nil
}

// measureGates reads the metrics twice.
func (c *command) measureGates(ctx context.Context, all []gateUsage, period time.Duration) error {
	path := filepath.Join(filepath.Dir(c.socketPath()), "gate-metrics.sock")
	before, err := readGateMetrics(ctx, path)
	if err != nil {
		return err
	}
	start, timer := time.Now(), time.NewTimer(period)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	after, err := readGateMetrics(ctx, path)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	for i := range all {
		a, b := after[all[i].Name], before[all[i].Name]
		if b.requests > a.requests { // another process has taken over
			b.requests = 0
		}
		rate, in, out := (a.requests-b.requests)/seconds, int64(a.input), int64(a.output)
		all[i].Rate, all[i].InputTokens, all[i].OutputTokens = &rate, &in, &out
		all[i].Requests, all[i].OpenStreams = max(all[i].Requests, int64(a.requests)), max(all[i].OpenStreams, int64(a.streams))
	}
	return nil
}

// readGateMetrics asks the process that serves the gates, over its socket.
func readGateMetrics(ctx context.Context, path string) (map[string]gateMetrics, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gate/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = fmt.Errorf("%s: %w", path, op.Err)
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", path, res.Status)
	}
	return parseGateMetrics(io.LimitReader(res.Body, 64<<20))
}

// metricLabel is one label of a line in Prometheus' text format.
var metricLabel = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)

// parseGateMetrics adds up, by gate, the lines of Prometheus' text format that top shows.
func parseGateMetrics(r io.Reader) (map[string]gateMetrics, error) {
	out := map[string]gateMetrics{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), "{")
		end := strings.LastIndex(rest, "} ")
		if !ok || end < 0 {
			continue
		}
		labels := map[string]string{}
		for _, m := range metricLabel.FindAllStringSubmatch(rest[:end], -1) {
			labels[m[1]] = m[2]
		}
		value, err := strconv.ParseFloat(rest[end+2:], 64)
		if err != nil {
			continue
		}
		g := out[labels["gate"]]
		switch {
		case name == "mirrorgate_requests_total":
			g.requests += value
		case name == "mirrorgate_open_streams":
			g.streams += value
		case name == "gen_ai_client_token_usage_total" && labels["gen_ai_token_type"] == "input":
			g.input += value
		case name == "gen_ai_client_token_usage_total":
			g.output += value
		}
		out[labels["gate"]] = g
	}
	return out, lines.Err()
}
