// Command chaos kills operators and guardians while they run workloads, and counts what was lost. It also measures what
// starting and replacing a process costs, beside the bare system calls.
//
//	chaos [-workloads N] [-services N] [-kills N] [-guard-kills N] [-both N] [-seed N] [-helper]   one run, exit code 1 when it lost something
//	chaos -long                                                                                  the table of all variants, and the costs
//	chaos -cost                                                                                  the costs alone
//
// One-shot workloads each write some lines and end with a code of their own; sixteen run at once. Services write a line every five
// milliseconds and must be the same processes to the end. All lines are counted afterwards, and so are the processes that nobody
// holds.
//
// It needs mirrorguard: beside itself, in PATH, or by -guard.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "work":
			work(os.Args[2:])
		case "operator":
			os.Exit(operator(os.Args[2:]))
		}
	}
	var v variant
	var path string
	var long, cost bool
	flag.StringVar(&path, "guard", "", "path of mirrorguard")
	flag.BoolVar(&long, "long", false, "run all variants and print a table")
	flag.BoolVar(&cost, "cost", false, "measure the costs only")
	flag.IntVar(&v.workloads, "workloads", 150, "number of one-shot workloads")
	flag.IntVar(&v.services, "services", 4, "number of long-running workloads")
	flag.IntVar(&v.kills, "kills", 20, "how often to kill the operator")
	flag.IntVar(&v.guardKills, "guard-kills", 0, "how often to kill the guardian")
	flag.IntVar(&v.both, "both", 0, "how often to kill both at once")
	flag.BoolVar(&v.helper, "helper", false, "make no cgroups")
	flag.Int64Var(&v.seed, "seed", time.Now().UnixNano(), "seed of the moments of the kills")
	flag.Parse()
	if path == "" {
		var err error
		if path, err = guard.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	v.guard = path
	var err error
	switch {
	case cost:
		err = costs(path)
	case long:
		err = table(path, v.seed)
	default:
		var res result
		if res, err = v.run(); err == nil {
			fmt.Println(header)
			fmt.Println(v.row(res))
			err = res.fault(v)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// table runs the variants of the long run.
func table(path string, seed int64) error {
	fmt.Println(header)
	for _, v := range []variant{
		{workloads: 20000, services: 10, kills: 800, guardKills: 50},
		{workloads: 5000, services: 10, kills: 200, guardKills: 20, helper: true},
		{workloads: 1500, services: 10, guardKills: 50},
		{workloads: 1000, services: 10, both: 15},
	} {
		v.guard, v.seed = path, seed
		res, err := v.run()
		if err != nil {
			return err
		}
		fmt.Println(v.row(res))
		if err := res.fault(v); err != nil {
			return err
		}
	}
	return costs(path)
}
