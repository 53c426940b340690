{{- define "osmia.name" -}}
{{- if contains "osmia" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-osmia" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "osmia.selector" -}}
app.kubernetes.io/name: osmia
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "osmia.labels" -}}
{{ include "osmia.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "osmia.scheme" -}}
{{ if .Values.tlsSecret }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}
