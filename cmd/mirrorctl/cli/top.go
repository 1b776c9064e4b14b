package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// topPeriod is how long processor time is measured.
const topPeriod = 500 * time.Millisecond

// usage is what one instance, or all of a process, uses.
type usage struct {
	Name      string  `json:"name"`
	Instances int     `json:"instances"`
	CPU       float64 `json:"cpuPercent"`
	// Throttled is in how many of the kernel's periods it had to wait for its limit of processors.
	Throttled float64 `json:"throttledPercent"`
	// Memory as its cgroup counts it, without cached files that are not in use; else the share of its processes. Peak is since it began.
	Memory    int64 `json:"memoryBytes"`
	Peak      int64 `json:"peakBytes,omitempty"`
	Processes int   `json:"processes"`
	Threads   int   `json:"threads"`
	// Read and Written are bytes a second from and to disks.
	Read    float64 `json:"readBytesPerSecond"`
	Written float64 `json:"writtenBytesPerSecond"`
	PID     int     `json:"pid,omitempty"`
	// noGroup: there is no cgroup of its own. noPeak: nobody counts its memory. resident: pages that are shared count again for each process.
	noGroup, noPeak, resident bool
}

func newTop(c *command) *cobra.Command {
	var output, selector, by string
	cmd := &cobra.Command{
		Use:   "top [processes|instances|gates|budgets]",
		Short: "Show what uses processor and memory, what passes the gates, or what is spent",
		Long: `top measures for half a second what each instance uses, with all that it started. 100 % is one processor; THROTTLED is in how many of
the kernel's periods it had to wait for its limit. Memory is what its cgroup counts, without cached files that are not in use, and the peak
since it began; without a memory cgroup it is the proportional share of its processes (PSS), or where the kernel does not tell that, and of more
than 200 processes, what is resident (RSS), which counts shared pages again for each. Reads and writes are those of disks.

Of gates it shows requests for each second now, and requests, refusals and tokens since the gate's process began; of budgets how much of each
limit is used, of the account that has the least left, and when it runs out.`,
		Example: `  mirrorctl top
  mirrorctl top instances --sort-by memory
  mirrorctl top -l tier=model -o json
  mirrorctl top gates
  mirrorctl top budgets`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"processes", "instances", "gates", "budgets"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			kind := specs.KindOf("Process")
			if len(args) > 0 {
				k, err := findKind(args[0])
				if err != nil {
					return err
				}
				kind = k
			}
			if show := map[string]func(context.Context, string) error{"Gate": c.topGates, "TokenBudget": c.topBudgets}[kind.Kind]; show != nil {
				if selector != "" || cmd.Flags().Changed("sort-by") {
					return usageError("top %s takes neither --selector nor --sort-by", args[0])
				}
				return show(cmd.Context(), output)
			}
			if kind.Kind != "Process" && kind.Kind != "Instance" {
				return usageError("top shows processes, instances, gates or budgets")
			}
			if !slices.Contains([]string{"cpu", "memory", "name"}, by) {
				return usageError("--sort-by %s: want cpu, memory or name", by)
			}
			return c.top(cmd.Context(), topOptions{kind.Kind == "Instance", selector, by, output})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "json or yaml")
	f.StringVarP(&selector, "selector", "l", "", "only processes with these labels")
	f.StringVar(&by, "sort-by", "cpu", "cpu, memory or name")
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions([]string{"cpu", "memory", "name"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

type topOptions struct {
	instances    bool
	selector, by string
	output       string
}

func (c *command) top(ctx context.Context, o topOptions) error {
	list, err := listOf[specs.Instance](ctx, c, "")
	if err != nil {
		return err
	}
	if o.selector != "" {
		processes, err := listOf[specs.Process](ctx, c, o.selector)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(i specs.Instance) bool {
			return !slices.ContainsFunc(processes, func(p specs.Process) bool { return p.Name == i.Spec.Process })
		})
	}
	list = slices.DeleteFunc(list, func(i specs.Instance) bool { return i.Status.PID == 0 })
	all, err := measure(ctx, list, topPeriod)
	if err != nil {
		return err
	}
	if !o.instances {
		all = byProcess(all, list)
	}
	sortUsage(all, o.by)
	if o.output != "" {
		return printObject(c.Out, o.output, map[string]any{"items": all})
	}
	if len(all) == 0 {
		fmt.Fprintln(c.Err, "Nothing runs.")
		return nil
	}
	c.printUsage(all, o.instances)
	return nil
}

// byProcess adds up the instances of each process. Both lists are in the same order.
func byProcess(all []usage, list []specs.Instance) []usage {
	sums := map[string]*usage{}
	var names []string
	for i, u := range all {
		name := list[i].Spec.Process
		s := sums[name]
		if s == nil {
			s = &usage{Name: name}
			sums[name] = s
			names = append(names, name)
		}
		s.Instances++
		s.CPU, s.Throttled = s.CPU+u.CPU, max(s.Throttled, u.Throttled)
		s.Memory, s.Peak, s.Read, s.Written = s.Memory+u.Memory, s.Peak+u.Peak, s.Read+u.Read, s.Written+u.Written
		s.Processes, s.Threads = s.Processes+u.Processes, s.Threads+u.Threads
		s.noGroup, s.noPeak, s.resident = s.noGroup || u.noGroup, s.noPeak || u.noPeak, s.resident || u.resident
	}
	out := make([]usage, len(names))
	for i, n := range names {
		out[i] = *sums[n]
	}
	return out
}

func sortUsage(all []usage, by string) {
	slices.SortFunc(all, func(a, b usage) int {
		switch by {
		case "cpu":
			return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.Name, b.Name))
		case "memory":
			return cmp.Or(cmp.Compare(b.Memory, a.Memory), cmp.Compare(a.Name, b.Name))
		}
		return cmp.Compare(a.Name, b.Name)
	})
}

func (c *command) printUsage(all []usage, instances bool) {
	second := "INSTANCES"
	if instances {
		second = "PID"
	}
	var rows [][]string
	bare, resident := 0, 0
	for _, u := range all {
		n, peak := u.Instances, bytesText(u.Peak)
		if instances {
			n = u.PID
		}
		if u.noPeak {
			peak = "-"
		}
		if u.noGroup {
			bare++
		}
		if u.resident {
			resident++
		}
		rows = append(rows, []string{u.Name, fmt.Sprint(n), fmt.Sprintf("%.1f", u.CPU), fmt.Sprintf("%.0f", u.Throttled), bytesText(u.Memory), peak,
			fmt.Sprint(u.Processes), fmt.Sprint(u.Threads), bytesText(int64(u.Read)), bytesText(int64(u.Written))})
	}
	columns(c.Out, []string{"NAME", second, "CPU%", "THROTTLED%", "MEMORY", "PEAK", "TASKS", "THREADS", "READ/S", "WRITE/S"}, rows)
	if bare > 0 {
		fmt.Fprintf(c.Err, "%d of %d have no cgroup: theirs is what /proc shows of their sessions and descendants\n", bare, len(all))
	}
	if resident > 0 {
		fmt.Fprintf(c.Err, "of %d the resident memory is told: pages that processes share count again for each\n", resident)
	}
}

// bytesText is a size in a unit that fits.
func bytesText(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%dKi", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprintf("%.1fGi", float64(n)/(1<<30))
}
