// Keeps the module of h2spec in go.mod; the program itself is built from that module.
//go:build tools

package tools

import _ "github.com/summerwind/h2spec"
