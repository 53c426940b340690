// Keeps the module of grpc-go in go.mod; its interop client is built from that module.
//go:build tools

package tools

import _ "google.golang.org/grpc/interop/client"
