{{/* The StatefulSet and the headless Service of voters and of nodes. Takes (list root role values-of-the-role ports env). */}}

{{- define "dnc.statefulSet" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}{{- $of := index . 2 -}}
{{- $name := printf "%s-%s" (include "dnc.fullname" $root) $role -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "dnc.metadata" (list $root $role $name) | nindent 2 }}
spec:
  serviceName: {{ $name }}
  replicas: {{ $of.replicas }}
  # All at once: a first start waits until all are there. Changes still go pod by pod, each waiting until the one before is ready.
  podManagementPolicy: Parallel
  updateStrategy: {type: RollingUpdate}
  {{- if include "dnc.kubeIs" (list $root "1.25") }}
  minReadySeconds: 5
  {{- end }}
  {{- if include "dnc.kubeIs" (list $root "1.27") }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ $of.persistence.whenDeleted }}
    whenScaled: {{ $of.persistence.whenScaled }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "dnc.selector" . | nindent 6 }}
  template:
    metadata:
      {{- include "dnc.podMetadata" . | nindent 6 }}
    spec:
      {{- include "dnc.podSpec" . | nindent 6 }}
      containers:
      - name: {{ $role }}
        {{- include "dnc.container" . | nindent 8 }}
        args: [{{ $role }}]
        env:
        {{- include "dnc.env" . | nindent 8 }}
        {{- with index . 4 }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $of.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $of.extraEnvFrom }}
        envFrom:
        {{- toYaml . | nindent 8 }}
        {{- end }}
        ports:
        {{- range $port, $number := index . 3 }}
        - {name: {{ $port }}, containerPort: {{ $number }}, protocol: TCP}
        {{- end }}
        # No preStop: a process that is told to stop gives its leaderships away first, and stays a member. What makes it none
        # is `dnc cluster decommission` alone.
        {{- include "dnc.probes" . | nindent 8 }}
        resources:
          {{- toYaml $of.resources | nindent 10 }}
        volumeMounts:
        - {name: data, mountPath: /var/lib/dnc}
        {{- include "dnc.volumeMounts" . | nindent 8 }}
      volumes:
      {{- include "dnc.volumes" . | nindent 6 }}
  volumeClaimTemplates:
  - {{- include "dnc.claim" . | nindent 4 }}
{{- end -}}

{{- define "dnc.headless" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "dnc.metadata" (list $root $role (printf "%s-%s" (include "dnc.fullname" $root) $role)) | nindent 2 }}
spec:
  clusterIP: None
  # Members must find each other before any of them can be ready.
  publishNotReadyAddresses: true
  selector:
    {{- include "dnc.selector" . | nindent 4 }}
  ports:
  {{- range $port, $number := index . 3 }}
  - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}, protocol: TCP}
  {{- end }}
{{- end -}}

{{- define "dnc.disruptionBudget" -}}
{{- $root := index . 0 -}}
apiVersion: policy/v1{{ if not (include "dnc.kubeIs" (list $root "1.21")) }}beta1{{ end }}
kind: PodDisruptionBudget
metadata:
  {{- include "dnc.metadata" (list $root (index . 1) (printf "%s-%s" (include "dnc.fullname" $root) (index . 1))) | nindent 2 }}
spec:
  maxUnavailable: {{ (index . 2).maxUnavailable }}
  {{- if include "dnc.kubeIs" (list $root "1.27") }}
  # A pod that is not ready is no majority's; keeping it would only keep a machine from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels:
      {{- include "dnc.selector" . | nindent 6 }}
{{- end -}}

{{- define "dnc.configMap" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dnc.metadata" (list $root $role (printf "%s-%s" (include "dnc.fullname" $root) $role)) | nindent 2 }}
data:
  {{ $role }}.toml: |
    {{- include (printf "dnc.%s.config" $role) $root | trim | nindent 4 }}
{{- end -}}
