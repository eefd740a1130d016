{{/*
Names, labels, the values in force, and the parts that several pods share. Every template starts with
  $v := include "mesh.values" . | fromYaml
*/}}

{{/* What is set over what the profile says. Written out, because Sprig's merge takes `false` for 'not set'. */}}
{{- define "mesh.overlay" -}}
{{- $base := index . 0 -}}
{{- range $key, $value := index . 1 -}}
  {{- if and (kindIs "map" $value) (kindIs "map" (get $base $key)) -}}
    {{- include "mesh.overlay" (list (get $base $key) $value) -}}
  {{- else if not (kindIs "invalid" $value) -}}
    {{- $_ := set $base $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "mesh.values" -}}
{{- $profile := .Files.Get (printf "values-%s.yaml" .Values.profile) | fromYaml -}}
{{- include "mesh.overlay" (list $profile .Values) -}}
{{- toYaml $profile -}}
{{- end -}}

{{- define "mesh.suffix" -}}
{{- if ne .Values.revision "default" }}-{{ .Values.revision }}{{ end -}}
{{- end -}}

{{- define "mesh.name" -}}lateen-control-plane{{ include "mesh.suffix" . }}{{- end -}}

{{/* For objects outside namespaces: two system namespaces must not meet. */}}
{{- define "mesh.clusterSuffix" -}}
{{- include "mesh.suffix" . }}{{ if ne .Release.Namespace "lateen-system" }}-{{ .Release.Namespace }}{{ end -}}
{{- end -}}

{{- define "mesh.clusterName" -}}lateen-control-plane{{ include "mesh.clusterSuffix" . }}{{- end -}}

{{- define "mesh.commonLabels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: lateen
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
istio.io/rev: {{ .Values.revision }}
{{- end -}}

{{/* Selector of the control plane's pods: never changes, a Deployment's may not. */}}
{{- define "mesh.selector" -}}
app: lateen-control-plane
istio.io/rev: {{ .Values.revision }}
{{- end -}}

{{- define "mesh.image" -}}
{{- with .Values.image -}}
{{- $repository := ternary .repository (printf "%s/%s" .registry .repository) (empty .registry) -}}
{{- if .digest }}{{ $repository }}@{{ .digest }}{{ else }}{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "mesh.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mesh.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1337
runAsGroup: 1337
fsGroup: 1337
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "mesh.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Names by which namespaces may choose this control plane. */}}
{{- define "mesh.revisions" -}}
{{- concat (list .Values.revision) .Values.revisionTags | uniq | toJson -}}
{{- end -}}

{{/* The webhooks of a revision or tag. Releases that watch namespaces of their own do not meet. */}}
{{- define "mesh.injectorName" -}}
{{- $context := index . 0 -}}
lateen-injector-{{ index . 1 }}{{ if $context.Values.watchNamespaces }}-{{ $context.Release.Namespace }}{{ end }}
{{- end -}}

{{/* Namespaces that are never injected. The system namespace has an entry of its own, for gateways. */}}
{{- define "mesh.neverInjected" -}}
{{- concat (list "kube-system" "kube-public" "kube-node-lease" "local-path-storage" .Release.Namespace) .Values.injector.excludedNamespaces | uniq | toJson -}}
{{- end -}}

{{- define "mesh.webhookSecret" -}}
{{- with .Values.injector.certificate -}}
{{- if eq .source "secret" }}{{ required "injector.certificate.source is 'secret': name it in injector.certificate.secretName" .secretName }}{{ else }}lateen-webhook{{ include "mesh.suffix" $ }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Namespaces whose Secrets gateways serve: those that are named, and those of this release's gateways. */}}
{{- define "mesh.secretNamespaces" -}}
{{- $v := index . 1 -}}
{{- $release := (index . 0).Release.Namespace -}}
{{- $found := $v.secrets.namespaces -}}
{{- range $name, $gateway := $v.gateways -}}
  {{- if $gateway.enabled -}}{{- $found = append $found ($gateway.namespace | default $release) -}}{{- end -}}
{{- end -}}
{{- $found | uniq | sortAlpha | toJson -}}
{{- end -}}
