{{/*
Who is injected, as entries of the webhook: Istio's decision table (its labels), and lateen.dev/injection on namespaces.
Invariant: at most one entry of all revisions matches a pod, so that no pod is injected twice.
Called with (context, revision or tag).
*/}}
{{- define "mesh.injectorEntries" -}}
{{- $context := index . 0 -}}
{{- $revision := index . 1 -}}
{{- $place := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (include "mesh.neverInjected" $context | fromJsonArray) -}}
{{- $where := list $place -}}
{{- with $context.Values.watchNamespaces -}}
  {{- $where = append $where (dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" .) -}}
{{- end -}}
{{- $noIstio := dict "key" "istio-injection" "operator" "DoesNotExist" -}}
{{- $noLateen := dict "key" "lateen.dev/injection" "operator" "DoesNotExist" -}}
{{- $noRevision := dict "key" "istio.io/rev" "operator" "DoesNotExist" -}}
{{- $thisRevision := dict "key" "istio.io/rev" "operator" "In" "values" (list $revision) -}}
{{- $notSwitchedOff := dict "key" "lateen.dev/injection" "operator" "NotIn" "values" (list "disabled") -}}
{{- $wanted := dict "key" "sidecar.istio.io/inject" "operator" "In" "values" (list "true") -}}
{{- $notRefused := dict "key" "sidecar.istio.io/inject" "operator" "NotIn" "values" (list "false") -}}
{{- $says := dict "key" "sidecar.istio.io/inject" "operator" "DoesNotExist" -}}
{{- $system := dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" (list $context.Release.Namespace) -}}
{{- $entries := list
  (dict "name" "rev.namespace.injector.lateen.dev" "ns" (concat $where (list $noIstio $thisRevision $notSwitchedOff)) "pod" (list $notRefused))
  (dict "name" "rev.object.injector.lateen.dev" "ns" (concat $where (list $noIstio $noLateen $noRevision)) "pod" (list $notRefused $thisRevision))
-}}
{{- if eq $revision "default" -}}
  {{- $entries = concat $entries (list
    (dict "name" "namespace.injector.lateen.dev" "ns" (concat $where (list (dict "key" "istio-injection" "operator" "In" "values" (list "enabled")) $notSwitchedOff)) "pod" (list $notRefused))
    (dict "name" "lateen.injector.lateen.dev" "ns" (concat $where (list $noIstio $noRevision (dict "key" "lateen.dev/injection" "operator" "In" "values" (list "enabled")))) "pod" (list $notRefused))
    (dict "name" "object.injector.lateen.dev" "ns" (concat $where (list $noIstio $noLateen $noRevision)) "pod" (list $wanted $noRevision))
  ) -}}
  {{- if $context.Values.injector.enableNamespacesByDefault -}}
    {{- $entries = append $entries (dict "name" "auto.injector.lateen.dev" "ns" (concat $where (list $noIstio $noLateen $noRevision)) "pod" (list $says $noRevision)) -}}
  {{- end -}}
{{- end -}}
{{- if eq $revision $context.Values.revision -}}
  {{- /* Gateways and tests of this release live beside the control plane; they say so themselves. */ -}}
  {{- $own := ternary $noRevision $thisRevision (eq $revision "default") -}}
  {{- $entries = append $entries (dict "name" "system.injector.lateen.dev" "ns" (list $system) "pod" (list $wanted $own)) -}}
{{- end -}}
{{- $shaped := list -}}
{{- range $entries -}}
  {{- $shaped = append $shaped (dict "name" .name "namespaceSelector" (dict "matchExpressions" .ns) "objectSelector" (dict "matchExpressions" .pod)) -}}
{{- end -}}
{{- toYaml $shaped -}}
{{- end -}}

{{/*
The injector's own configuration: what the release knows, and `proxy` of the values, whose fields have the injector's own names.
Called with (context, values in force).
*/}}
{{- define "mesh.injectorConfig" -}}
{{- $context := index . 0 -}}
{{- $v := index . 1 -}}
{{- $config := dict
  "image" (include "mesh.image" $context)
  "imagePullPolicy" $v.image.pullPolicy
  "imagePullSecrets" $v.image.pullSecrets
  "controlPlane" (dict "address" (printf "%s.%s.svc:15012" (include "mesh.name" $context) $context.Release.Namespace))
  "trustDomain" ($v.meshConfig.trustDomain | default "cluster.local")
  "revision" $v.revision
  "revisionTags" $v.revisionTags
  "enableNamespacesByDefault" $v.injector.enableNamespacesByDefault
-}}
{{- include "mesh.overlay" (list $config $v.proxy) -}}
{{- toYaml $config -}}
{{- end -}}
