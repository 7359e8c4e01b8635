// Reads a compose file as Docker Compose does, with the library that it does it with, and says
// what is wrong with it: compose_check ENV_FILE COMPOSE_FILE. No engine is needed.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(
		os.Args[2:],
		cli.WithEnvFiles(os.Args[1]),
		cli.WithDotEnv,
		cli.WithProfiles([]string{"*"}),
	)
	if err == nil {
		_, err = options.LoadProject(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
