{{/* Parts of the pods of `helm test`. */}}
{{- define "mesh.testLabels" -}}
app.kubernetes.io/part-of: lateen
sidecar.istio.io/inject: "true"
{{- if ne .Values.revision "default" }}
istio.io/rev: {{ .Values.revision }}
{{- end }}
{{- end -}}

{{/* (context, container's name, file, environment) */}}
{{- define "mesh.testContainer" -}}
{{- $context := index . 0 -}}
{{- include "mesh.pullSecrets" $context }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
containers:
  - name: {{ index . 1 }}
    image: {{ include "mesh.image" $context }}
    imagePullPolicy: {{ $context.Values.image.pullPolicy }}
    command: [/usr/local/bin/node, --input-type=module, -e]
    args:
      - |
        {{- $context.Files.Get (printf "files/%s" (index . 2)) | nindent 8 }}
    {{- with index . 3 }}
    env:
      {{- range $name, $value := . }}
      - { name: {{ $name }}, value: {{ $value | quote }} }
      {{- end }}
    {{- end }}
    resources:
      requests: { cpu: 10m, memory: 64Mi }
      limits: { memory: 256Mi }
    securityContext:
      {{- include "mesh.containerSecurity" $context | nindent 6 }}
{{- end -}}
