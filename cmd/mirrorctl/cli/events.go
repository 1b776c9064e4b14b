package cli

import (
	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newEvents(c *command) *cobra.Command {
	var o getOptions
	var about string
	var types []string
	cmd := &cobra.Command{
		Use:   "events [--for KIND/NAME]",
		Short: "List what happened, oldest first",
		Example: `  mirrorctl events
  mirrorctl events --for process/chat-model -w
  mirrorctl events --types Warning`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(o.output, formats...); err != nil {
				return err
			}
			if about != "" {
				targets, _, err := parseTargets([]string{about}, "process")
				if err != nil {
					return err
				}
				o.fieldSelector = "involvedObject.kind=" + targets[0].kind.Kind + ",involvedObject.name=" + targets[0].name
			}
			for _, t := range types {
				if o.fieldSelector != "" {
					o.fieldSelector += ","
				}
				o.fieldSelector += "type=" + t
			}
			return c.getList(cmd.Context(), o, specs.KindOf("Event"), "")
		},
	}
	f := cmd.Flags()
	f.StringVar(&about, "for", "", "only of this object")
	f.StringSliceVar(&types, "types", nil, "Normal or Warning only")
	f.StringVarP(&o.output, "output", "o", "", "wide, yaml, json, name or jsonpath=TEMPLATE")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on with new ones until interrupted")
	f.BoolVar(&o.noHeaders, "no-headers", false, "leave the header out")
	_ = cmd.RegisterFlagCompletionFunc("for", c.completeObjects(""))
	return cmd
}
