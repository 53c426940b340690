// Render the templates of a Helm chart: real Go templates, with the few functions of Helm that our chart uses.
// The input is JSON: {"values": {…}, "release": "name", "chart": {…}, "templates": {"name": "text"}}.
// The output is JSON: the rendered text of each template, or {"error": "…"}.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type input struct {
	Values    map[string]any
	Release   string
	Chart     map[string]any
	Templates map[string]string
}

func render(in input) (map[string]string, error) {
	all := template.New("chart").Option("missingkey=zero")
	asJSON := func(value any) (string, error) {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(value)
		return strings.TrimSuffix(out.String(), "\n"), err
	}
	indent := func(width int, text string) string {
		return strings.ReplaceAll("\n"+text, "\n", "\n"+strings.Repeat(" ", width))
	}
	all.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out bytes.Buffer
			err := all.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"fail":       func(text string) (string, error) { return "", errors.New(text) },
		"toJson":     asJSON,
		"toYaml":     asJSON, // JSON is YAML
		"nindent":    indent,
		"quote":      func(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
		"lower":      strings.ToLower,
		"contains":   func(part, text string) bool { return strings.Contains(text, part) },
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"trunc": func(length int, text string) string {
			if len(text) > length {
				return text[:length]
			}
			return text
		},
		"default": func(fallback, value any) any {
			if value == nil || value == "" {
				return fallback
			}
			return value
		},
		"sha256sum": func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
	})
	for name, text := range in.Templates {
		if _, err := all.New("osmia/templates/" + name).Parse(text); err != nil {
			return nil, err
		}
	}
	data := map[string]any{
		"Values":   in.Values,
		"Release":  map[string]any{"Name": in.Release, "Service": "Helm"},
		"Chart":    in.Chart,
		"Template": map[string]any{"BasePath": "osmia/templates"},
	}
	rendered := map[string]string{}
	for name := range in.Templates {
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, "osmia/templates/"+name, data); err != nil {
			return nil, err
		}
		rendered[name] = out.String()
	}
	return rendered, nil
}

func main() {
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	var in input
	if err := decoder.Decode(&in); err != nil {
		panic(err)
	}
	rendered, err := render(in)
	if err != nil {
		rendered = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(os.Stdout).Encode(rendered)
}
