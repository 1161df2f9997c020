{{/* The configuration file of each role: what the chart knows, then the operator's own, which may not contradict it. */}}

{{- define "dnc.common.config" -}}
{{- $set := dict "log_format" "json" -}}
{{- with .Values.otlpEndpoint }}{{ $_ := set $set "otlp_endpoint" . }}{{ end -}}
{{- toJson $set -}}
{{- end -}}

{{- define "dnc.meta.config" -}}
{{- $set := include "dnc.common.config" . | fromJson -}}
{{- $_ := set $set "data_dir" "/var/lib/dnc" -}}
{{- $_ := set $set "listen" "0.0.0.0:7410" -}}
{{- $_ := set $set "raft_listen" "0.0.0.0:7411" -}}
{{- $_ := set $set "http_listen" "0.0.0.0:7481" -}}
{{- $_ := set $set "voters" (include "dnc.voters" . | fromJsonArray) -}}
{{- $_ := set $set "shards" .Values.founding.shards -}}
{{- $_ := set $set "replication" .Values.founding.replication -}}
{{- $_ := set $set "initial_nodes" .Values.founding.initialNodes -}}
{{- include "dnc.toml" (merge $set (deepCopy .Values.meta.config)) -}}
{{- end -}}

{{- define "dnc.node.config" -}}
{{- $set := include "dnc.common.config" . | fromJson -}}
{{- $_ := set $set "data_dir" "/var/lib/dnc" -}}
{{- $_ := set $set "listen" "0.0.0.0:7420" -}}
{{- $_ := set $set "raft_listen" "0.0.0.0:7421" -}}
{{- $_ := set $set "http_listen" "0.0.0.0:7482" -}}
{{- $_ := set $set "meta" (include "dnc.addresses" (list . "meta" 0 .Values.meta.replicas 7410) | fromJsonArray) -}}
{{- include "dnc.toml" (merge $set (deepCopy .Values.nodes.config)) -}}
{{- end -}}

{{/* Nodes that can tell the catalog while no voter can: the first ones, which are there however the cluster is scaled. */}}
{{- define "dnc.router.config" -}}
{{- $set := include "dnc.common.config" . | fromJson -}}
{{- $_ := set $set "grpc_listen" "0.0.0.0:7400" -}}
{{- $_ := set $set "http_listen" "0.0.0.0:7480" -}}
{{- $_ := set $set "spool_dir" "/var/spool/dnc" -}}
{{- $_ := set $set "meta" (include "dnc.addresses" (list . "meta" 0 .Values.meta.replicas 7410) | fromJsonArray) -}}
{{- $_ := set $set "nodes" (include "dnc.addresses" (list . "node" 0 .Values.founding.replication 7420) | fromJsonArray) -}}
{{- if or .Values.secretKey.value .Values.secretKey.existingSecret }}{{ $_ := set $set "secret_key_file" "/etc/dnc-secret/key" }}{{ end -}}
{{- include "dnc.toml" (merge $set (deepCopy .Values.router.config)) -}}
{{- end -}}
