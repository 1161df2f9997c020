{{/* What pods of all roles have in common. */}}

{{/* Settings as a TOML file: values, then tables. A value's JSON is TOML too. Takes a map. */}}
{{- define "dnc.toml" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $table, $settings := . }}
{{- if kindIs "map" $settings }}

[{{ $table }}]
{{- range $key, $value := $settings }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}

{{/* Takes (list root role values-of-the-role). */}}
{{- define "dnc.podMetadata" -}}
{{- $root := index . 0 -}}{{- $of := index . 2 -}}
# Not the chart's version: pods are not to be replaced for that alone.
labels:
  {{- include "dnc.selector" (list $root (index . 1)) | nindent 2 }}
  {{- with merge (deepCopy $of.podLabels) $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # A changed configuration is a changed pod: it is rolled out like any other change.
  dnc/config: {{ include (printf "dnc.%s.config" (index . 1)) $root | sha256sum }}
  {{- with merge (deepCopy $of.podAnnotations) $root.Values.commonAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "dnc.podSpec" -}}
{{- $root := index . 0 -}}{{- $of := index . 2 -}}
serviceAccountName: {{ include "dnc.serviceAccount" $root }}
automountServiceAccountToken: false
# Variables named DNC_... of Kubernetes' making would be taken for settings.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $of.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $spread := list -}}
{{- range $key, $how := dict "topology.kubernetes.io/zone" $root.Values.topologySpread.zones "kubernetes.io/hostname" $root.Values.topologySpread.hosts -}}
{{- if ne $how "None" -}}{{- $spread = append $spread (dict "key" $key "how" $how) -}}{{- end -}}
{{- end }}
{{- $selector := include "dnc.selector" (list $root (index . 1)) }}
{{- with $spread }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ .key }}
    whenUnsatisfiable: {{ .how }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Image and variables of a container. Takes (list root). */}}
{{- define "dnc.container" -}}
{{- $root := index . 0 -}}
image: {{ include "dnc.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml $root.Values.securityContext | nindent 2 }}
{{- end -}}

{{- define "dnc.env" -}}
{{- $root := index . 0 -}}{{- $of := index . 2 -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: DNC_CONFIG
  value: /etc/dnc/{{ index . 1 }}.toml
- name: DNC_LOG
  value: {{ printf "%s,openraft=error,openraft::raft=off" $root.Values.log | quote }}
{{- end -}}

{{/* live: it answers at all; ready: it can do its work; the start may take long, and is not to be killed for that. */}}
{{- define "dnc.probes" -}}
{{- $of := index . 2 -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ max 1 (div (int $of.startSeconds) 5) }}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- define "dnc.volumeMounts" -}}
{{- $of := index . 2 -}}
- {name: config, mountPath: /etc/dnc, readOnly: true}
{{- with $of.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "dnc.volumes" -}}
{{- $root := index . 0 -}}{{- $of := index . 2 -}}
- name: config
  configMap: {name: {{ include "dnc.fullname" $root }}-{{ index . 1 }}}
{{- with $of.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volume that a voter or a node keeps everything on. Takes (list root role values-of-the-role). */}}
{{- define "dnc.claim" -}}
{{- $root := index . 0 -}}{{- $disk := (index . 2).persistence -}}
metadata:
  name: data
  labels:
    {{- include "dnc.selector" (list $root (index . 1)) | nindent 4 }}
  {{- with $disk.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  accessModes: {{ toJson $disk.accessModes }}
  {{- with $disk.storageClass }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources: {requests: {storage: {{ $disk.size }}}}
{{- end -}}

{{/* Names of the voters as they must be everywhere: id=service/raft, ids from 1. */}}
{{- define "dnc.voters" -}}
{{- $voters := list -}}
{{- range $at := until (int .Values.meta.replicas) -}}
{{- $host := include "dnc.host" (list $ "meta" (printf "%s-meta-%d" (include "dnc.fullname" $) $at)) -}}
{{- $voters = append $voters (printf "%d=%s:7410/%s:7411" (add1 $at) $host $host) -}}
{{- end -}}
{{- toJson $voters -}}
{{- end -}}
