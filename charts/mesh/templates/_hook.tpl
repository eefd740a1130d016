{{/* Annotations of everything that the uninstall hooks need. Called with the hook's events and the weight. */}}
{{- define "mesh.hookAnnotations" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A Job that runs a script of files/. (context, name, account, event, file, environment) */}}
{{- define "mesh.hookJob" -}}
{{- $context := index . 0 -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ index . 1 }}
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "mesh.commonLabels" $context | nindent 4 }}
  annotations:
    {{- include "mesh.hookAnnotations" (list (index . 3) "0") | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 120
  template:
    metadata:
      labels:
        app: {{ index . 1 }}
        sidecar.istio.io/inject: "false"
    spec:
      serviceAccountName: {{ index . 2 }}
      restartPolicy: Never
      {{- include "mesh.pullSecrets" $context | nindent 6 }}
      securityContext:
        {{- include "mesh.podSecurity" $context | nindent 8 }}
      containers:
        - name: remove
          image: {{ include "mesh.image" $context }}
          imagePullPolicy: {{ $context.Values.image.pullPolicy }}
          command: [/usr/local/bin/node, --input-type=module, -e]
          args:
            - |
              {{- $context.Files.Get (printf "files/%s" (index . 4)) | nindent 14 }}
          env:
            {{- range $key, $value := index . 5 }}
            - { name: {{ $key }}, value: {{ $value | quote }} }
            {{- end }}
          resources:
            requests: { cpu: 10m, memory: 64Mi }
            limits: { memory: 256Mi }
          securityContext:
            {{- include "mesh.containerSecurity" $context | nindent 12 }}
{{- end -}}
