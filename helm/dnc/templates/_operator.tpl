{{/* Pods that do what an operator would type: the gate of upgrades, the test. */}}

{{- define "dnc.operatorPod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.router.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.router.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "dnc.operatorContainer" -}}
{{ include "dnc.container" (list .) }}
env:
- name: DNC_ROUTER
  value: http://{{ include "dnc.fullname" . }}:{{ .Values.service.grpcPort }}
resources:
  requests: {cpu: 50m, memory: 64Mi}
  limits: {memory: 256Mi}
{{- end -}}
