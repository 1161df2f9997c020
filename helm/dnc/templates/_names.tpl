{{/* Names, labels and addresses: what must be the same wherever it is said. */}}

{{- define "dnc.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes (list root role). */}}
{{- define "dnc.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "dnc.labels" -}}
{{- $root := index . 0 -}}
{{ include "dnc.selector" . }}
app.kubernetes.io/version: {{ default $root.Chart.AppVersion $root.Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* `metadata` of an object. Takes (list root role name) and maybe a map of further labels, and one of annotations. */}}
{{- define "dnc.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "dnc.labels" (list $root (index . 1)) | nindent 2 }}
  {{- if gt (len .) 3 }}{{ with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}{{ end }}
{{- $annotations := deepCopy $root.Values.commonAnnotations }}
{{- if gt (len .) 4 }}{{ $annotations = merge (deepCopy (index . 4)) $annotations }}{{ end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "dnc.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "dnc.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "dnc.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The version of Kubernetes that is rendered for. */}}
{{- define "dnc.kube" -}}
{{- default .Capabilities.KubeVersion.Version .Values.kubeVersion -}}
{{- end -}}

{{/* Whether it is at least this one. Takes (list root "1.30"). */}}
{{- define "dnc.kubeIs" -}}
{{- if semverCompare (printf ">=%s.0-0" (index . 1)) (include "dnc.kube" (index . 0)) }}yes{{ end -}}
{{- end -}}

{{/* The full name of a pod of a StatefulSet, or of all of them with $(POD_NAME). Takes (list root role pod). */}}
{{- define "dnc.host" -}}
{{- $root := index . 0 -}}
{{- printf "%s.%s-%s.%s.svc.%s" (index . 2) (include "dnc.fullname" $root) (index . 1) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{/* The first pods of a StatefulSet as addresses, JSON. Takes (list root role from until port). */}}
{{- define "dnc.addresses" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}
{{- $found := list -}}
{{- range $at := untilStep (int (index . 2)) (int (index . 3)) 1 -}}
{{- $pod := printf "%s-%s-%d" (include "dnc.fullname" $root) $role $at -}}
{{- $found = append $found (printf "%s:%d" (include "dnc.host" (list $root $role $pod)) (int (index $ 4))) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
