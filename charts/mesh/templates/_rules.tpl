{{/* What is read and written wherever the mesh is: of the ClusterRole, or of a Role per watched namespace. */}}
{{- define "mesh.watchRules" -}}
- apiGroups: [""]
  resources: [services, pods, serviceaccounts]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- $kinds := include "mesh.kinds" . | fromYaml }}
{{- range $group, $plurals := $kinds }}
- apiGroups: [{{ $group }}]
  resources: [{{ join ", " $plurals }}]
  verbs: [get, list, watch]
- apiGroups: [{{ $group }}]
  resources:
    {{- range $plurals }}
    - {{ . }}/status
    {{- end }}
  verbs: [patch, update]
{{- end }}
# The root certificate, in every namespace of the mesh. `create` cannot be limited to a name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [lateen-ca-root-cert]
  verbs: [get, list, watch, update, patch, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* The kinds of the mesh by group, read from the CRDs of the chart: a new kind needs no line here. */}}
{{- define "mesh.kinds" -}}
{{- $kinds := dict -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
  {{- $crd := $.Files.Get $path | fromYaml -}}
  {{- $_ := set $kinds $crd.spec.group (append (get $kinds $crd.spec.group | default list) $crd.spec.names.plural) -}}
{{- end -}}
{{- toYaml $kinds -}}
{{- end -}}
