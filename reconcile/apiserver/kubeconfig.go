package apiserver

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"sigs.k8s.io/yaml"
)

// kubeconfig is the part of a kubeconfig that is needed.
type kubeconfig struct {
	Kind           string          `json:"kind"`
	APIVersion     string          `json:"apiVersion"`
	CurrentContext string          `json:"current-context"`
	Clusters       []namedCluster  `json:"clusters"`
	Users          []namedUser     `json:"users"`
	Contexts       []namedContext  `json:"contexts"`
	Preferences    json.RawMessage `json:"preferences,omitempty"`
}

type namedCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server      string `json:"server"`
		Certificate []byte `json:"certificate-authority-data"`
	} `json:"cluster"`
}

type namedUser struct {
	Name string `json:"name"`
	User struct {
		Token string `json:"token"`
	} `json:"user"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

const contextName = "mirroros"

func writeKubeconfig(path, server string, certificate []byte, token string) error {
	k := kubeconfig{Kind: "Config", APIVersion: "v1", CurrentContext: contextName,
		Clusters: []namedCluster{{Name: contextName}}, Users: []namedUser{{Name: contextName}}, Contexts: []namedContext{{Name: contextName}}}
	k.Clusters[0].Cluster.Server, k.Clusters[0].Cluster.Certificate = server, certificate
	k.Users[0].User.Token = token
	k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = contextName, contextName
	b, err := yaml.Marshal(k)
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", path, err)
	}
	return replaceFile(path, b)
}

// keptToken is the token of the kubeconfig that is there, when only its owner could read it; empty when there is none.
func keptToken(path string) string {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return ""
	}
	b, err := os.ReadFile(path)
	var k kubeconfig
	if err != nil || yaml.Unmarshal(b, &k) != nil || len(k.Users) != 1 || len(k.Users[0].User.Token) < 40 {
		return ""
	}
	return k.Users[0].User.Token
}
