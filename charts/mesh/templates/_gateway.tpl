{{/*
A gateway's pod, complete as it stands: nobody has to answer for it to start, so it is installed in one step with the control plane, and
starts again while the webhook is down. It is what the injector makes of the same pod (`injected: true`): test/chart/gateways.test.ts
compares the two.
*/}}

{{/*
The injector's configuration as this gateway has it: every field's default, what the release says, the mesh's default ProxyConfig, and the
pod's own. Called with (context, values in force, gateway).
*/}}
{{- define "mesh.gatewayConfig" -}}
{{- $context := index . 0 -}}
{{- $v := index . 1 -}}
{{- $gateway := index . 2 -}}
{{- $config := $context.Files.Get "files/injector-defaults.yaml" | fromYaml -}}
{{- range $key, $value := include "mesh.injectorConfig" (list $context $v) | fromYaml -}}
  {{- if eq $key "resources" -}}
    {{- range $part, $quantities := $value -}}{{- $_ := set $config.resources $part $quantities -}}{{- end -}}
  {{- else -}}
    {{- $_ := set $config $key $value -}}
  {{- end -}}
{{- end -}}
{{- if and (hasKey $config.templates "gateway") (not $gateway.injected) -}}
  {{- fail "proxy.templates.gateway is merged into pods by the injector, which does not see this gateway; set gateways.<name>.injected=true" -}}
{{- end -}}
{{- $annotations := $gateway.podAnnotations | default dict -}}
{{- range $key, $_ := $annotations -}}
  {{- if and (regexMatch "(sidecar|inject|prometheus)\\.istio\\.io/" $key) (not $gateway.injected) -}}
    {{- fail (printf "gateways.<name>.podAnnotations: %s is read by the injector, which does not see this gateway; use proxy.istio.io/config, or set gateways.<name>.injected=true" $key) -}}
  {{- end -}}
{{- end -}}
{{- $own := get $annotations "proxy.istio.io/config" | default "{}" | fromYaml -}}
{{- if hasKey $own "Error" -}}
  {{- fail (printf "gateways.<name>.podAnnotations: proxy.istio.io/config is not valid YAML: %s" $own.Error) -}}
{{- end -}}
{{- $proxy := deepCopy ($v.meshConfig.defaultConfig | default dict) -}}
{{- include "mesh.overlay" (list $proxy $own) -}}
{{- range $field, $key := dict "terminationDrainDuration" "drainTime" "proxyAdminPort" "adminPort" "statusPort" "statusPort" "meshId" "meshId" "concurrency" "concurrency" "proxyMetadata" "proxyMetadata" "serviceCluster" "serviceCluster" "tracingServiceName" "tracingServiceName" -}}
  {{- if hasKey $proxy $field -}}{{- $_ := set $config $key (get $proxy $field) -}}{{- end -}}
{{- end -}}
{{- if kindIs "map" $config.concurrency -}}{{- $_ := set $config "concurrency" (get $config.concurrency "value") -}}{{- end -}}
{{- with $proxy.discoveryAddress -}}{{- $_ := set $config "controlPlane" (dict "address" .) -}}{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* A label's value has 63 characters and ends with a letter or digit. */}}
{{- define "mesh.asLabel" -}}{{- regexReplaceAll "[-_.]+$" (toString . | trunc 63) "" -}}{{- end -}}

{{/* With what injection adds to every pod. Called with (context, name, gateway). */}}
{{- define "mesh.gatewayLabels" -}}
{{- $context := index . 0 -}}
{{- $gateway := index . 2 -}}
{{- $labels := dict "app" (index . 1) "sidecar.istio.io/inject" (toString ($gateway.injected | default false)) -}}
{{- if ne $context.Values.revision "default" -}}{{- $_ := set $labels "istio.io/rev" $context.Values.revision -}}{{- end -}}
{{- range $key, $value := $gateway.labels -}}{{- $_ := set $labels $key (toString $value) -}}{{- end -}}
{{- if not $gateway.injected -}}
  {{- $name := coalesce (get $labels "service.istio.io/canonical-name") (get $labels "app.kubernetes.io/name") $labels.app -}}
  {{- $version := coalesce (get $labels "service.istio.io/canonical-revision") (get $labels "app.kubernetes.io/version") (get $labels "version") "latest" -}}
  {{- $_ := set $labels "service.istio.io/canonical-name" (include "mesh.asLabel" $name) -}}
  {{- $_ := set $labels "service.istio.io/canonical-revision" (include "mesh.asLabel" $version) -}}
  {{- $_ := set $labels "security.istio.io/tlsMode" (get $labels "security.istio.io/tlsMode" | default "istio") -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* Called with (context, gateway, configuration). */}}
{{- define "mesh.gatewayAnnotations" -}}
{{- $context := index . 0 -}}
{{- $gateway := index . 1 -}}
{{- $config := index . 2 -}}
{{- $annotations := dict "prometheus.io/scrape" "true" "prometheus.io/port" ($config.statusPort | int | toString) "prometheus.io/path" "/stats/prometheus" -}}
{{- if $gateway.injected -}}
  {{- $_ := set $annotations "inject.istio.io/templates" "gateway" -}}
{{- else -}}
  {{- /* What makes it a gateway for the control plane; an injected one is known by its template. */ -}}
  {{- $_ := set $annotations "lateen.dev/role" "gateway" -}}
  {{- $_ := set $annotations "istio.io/rev" $context.Values.revision -}}
{{- end -}}
{{- range $key, $value := $gateway.podAnnotations -}}{{- $_ := set $annotations $key (toString $value) -}}{{- end -}}
{{- toYaml $annotations -}}
{{- end -}}

{{/* What the gateway serves, and its own metrics. Called with (gateway, configuration). */}}
{{- define "mesh.gatewayPorts" -}}
{{- $ports := list -}}
{{- range (index . 0).service.ports -}}
  {{- $ports = append $ports (dict "name" .name "containerPort" (.targetPort | default .port) "protocol" (.protocol | default "TCP")) -}}
{{- end -}}
{{- toYaml (prepend $ports (dict "name" "http-envoy-prom" "containerPort" (index . 1).prometheusPort "protocol" "TCP")) -}}
{{- end -}}

{{/* Kubernetes expands $(NAME): references stand between two characters that no name holds, and a `$` that a person wrote is doubled. */}}
{{- define "mesh.expandable" -}}
{{- . | replace "$" "$$" | replace "\uE0F0" "$(" | replace "\uE0F1" ")" -}}
{{- end -}}

{{/* The gateway as xDS knows it. Called with (context, name, namespace, labels, ports, configuration). */}}
{{- define "mesh.gatewayNode" -}}
{{- $name := index . 1 -}}
{{- $labels := index . 3 -}}
{{- $config := index . 5 -}}
{{- $podName := "\uE0F0POD_NAME\uE0F1" -}}
{{- $namespace := "\uE0F0POD_NAMESPACE\uE0F1" -}}
{{- $metadata := dict -}}
{{- range $key, $value := $config.proxyMetadata -}}
  {{- if regexMatch "^ISTIO_META_." $key -}}{{- $_ := set $metadata (trimPrefix "ISTIO_META_" $key) $value -}}{{- end -}}
{{- end -}}
{{- with $config.network -}}{{- $_ := set $metadata "NETWORK" . -}}{{- end -}}
{{- $own := dict
  "NAMESPACE" $namespace
  "NAME" $podName
  "WORKLOAD_NAME" $name
  "OWNER" (printf "kubernetes://apis/apps/v1/namespaces/%s/deployments/%s" (index . 2) $name)
  "LABELS" $labels
  "SERVICE_ACCOUNT" "\uE0F0SERVICE_ACCOUNT\uE0F1"
  "INSTANCE_IPS" "\uE0F0INSTANCE_IPS\uE0F1"
  "NODE_NAME" "\uE0F0NODE_NAME\uE0F1"
  "CLUSTER_ID" $config.clusterId
  "MESH_ID" ($config.meshId | default $config.trustDomain)
  "POD_PORTS" (toJson (index . 4))
  "REVISION" $config.revision
  "LATEEN_VERSION" (index . 0).Chart.AppVersion
  "CAPABILITIES" list
-}}
{{- range $key, $value := $own -}}{{- $_ := set $metadata $key $value -}}{{- end -}}
{{- $canonical := get $labels "service.istio.io/canonical-name" -}}
{{- $cluster := printf "%s.%s" $labels.app $namespace -}}
{{- if eq ($config.tracingServiceName | default "") "CANONICAL_NAME_ONLY" -}}
  {{- $cluster = $canonical -}}
{{- else if eq ($config.tracingServiceName | default "") "CANONICAL_NAME_AND_NAMESPACE" -}}
  {{- $cluster = printf "%s.%s" $canonical $namespace -}}
{{- else if and (hasKey $config "serviceCluster") (ne $config.serviceCluster "istio-proxy") -}}
  {{- $cluster = $config.serviceCluster -}}
{{- end -}}
{{- $id := printf "router~\uE0F0INSTANCE_IP\uE0F1~%s.%s~%s.svc.%s" $podName $namespace $namespace $config.clusterDomain -}}
{{- dict "id" $id "cluster" $cluster "metadata" $metadata | toJson -}}
{{- end -}}

{{/* Called with (node, configuration). */}}
{{- define "mesh.gatewayBootstrap" -}}
{{- $config := index . 1 -}}
{{- $host := include "mesh.hostOf" $config.controlPlane.address -}}
{{- $port := regexFind "[0-9]+$" $config.controlPlane.address | int -}}
{{- $static := or (regexMatch "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$" $host) (contains ":" $host) -}}
{{- $xds := dict "socket_address" (dict "address" $host "port_value" $port) -}}
{{- $protocol := dict
  "@type" "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
  "explicit_http_config" (dict "http2_protocol_options" dict)
-}}
{{- $tls := dict
  "@type" "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
  "sni" $host
  "common_tls_context" (dict
    "alpn_protocols" (list "h2")
    "tls_certificate_sds_secret_configs" (list (dict "name" "default"))
    "combined_validation_context" (dict
      "default_validation_context" (dict "match_typed_subject_alt_names" (list (dict "san_type" "DNS" "matcher" (dict "exact" $host))))
      "validation_context_sds_secret_config" (dict "name" "ROOTCA")))
-}}
{{- $cluster := dict
  "name" "xds-grpc"
  "type" (ternary "STATIC" "STRICT_DNS" $static)
  "connect_timeout" "1s"
  "load_assignment" (dict "cluster_name" "xds-grpc" "endpoints" (list (dict "lb_endpoints" (list (dict "endpoint" (dict "address" $xds))))))
  "typed_extension_protocol_options" (dict "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" $protocol)
  "transport_socket" (dict "name" "envoy.transport_sockets.tls" "typed_config" $tls)
-}}
{{- dict
  "node" (index . 0)
  "admin" (dict "address" (dict "socket_address" (dict "address" "127.0.0.1" "port_value" $config.adminPort)))
  "dynamic_resources" (dict
    "ads_config" (dict "api_type" "DELTA_GRPC" "transport_api_version" "V3" "grpc_services" (list (dict "envoy_grpc" (dict "cluster_name" "xds-grpc"))))
    "lds_config" (dict "ads" dict "resource_api_version" "V3")
    "cds_config" (dict "ads" dict "resource_api_version" "V3"))
  "static_resources" (dict "clusters" (list $cluster))
| toJson -}}
{{- end -}}

{{- define "mesh.hostOf" -}}{{- regexReplaceAll ":[0-9]+$" . "" | trimPrefix "[" | trimSuffix "]" -}}{{- end -}}

{{/* In the injector's order: what is used as $(NAME) stands before its use. Called with (node, configuration). */}}
{{- define "mesh.gatewayEnv" -}}
{{- $config := index . 1 -}}
{{- $env := list -}}
{{- range list
  (list "POD_NAME" "metadata.name") (list "POD_NAMESPACE" "metadata.namespace") (list "INSTANCE_IP" "status.podIP")
  (list "INSTANCE_IPS" "status.podIPs") (list "HOST_IP" "status.hostIP") (list "NODE_NAME" "spec.nodeName")
  (list "SERVICE_ACCOUNT" "spec.serviceAccountName") -}}
  {{- $env = append $env (dict "name" (index . 0) "valueFrom" (dict "fieldRef" (dict "fieldPath" (index . 1)))) -}}
{{- end -}}
{{- $own := list
  (list "LATEEN_CA_ADDRESS" $config.controlPlane.address)
  (list "LATEEN_CA_NAME" (include "mesh.hostOf" $config.controlPlane.address))
  (list "LATEEN_CA_ROOT" "/var/run/secrets/lateen/root/root-cert.pem")
  (list "LATEEN_CA_TOKEN_FILE" "/var/run/secrets/lateen/token/token")
  (list "LATEEN_TRUST_DOMAIN" $config.trustDomain)
  (list "LATEEN_STATE" "/var/lib/lateen")
-}}
{{- with $config.concurrency | int -}}{{- $own = append $own (list "LATEEN_CONCURRENCY" (toString .)) -}}{{- end -}}
{{- $own = concat $own (list (list "LATEEN_LOG_LEVEL" $config.logLevel) (list "LATEEN_DRAIN_TIME" $config.drainTime)) -}}
{{- if eq (get ($config.proxyMetadata | default dict) "EXIT_ON_ZERO_ACTIVE_CONNECTIONS") "true" -}}
  {{- $own = append $own (list "LATEEN_EXIT_ON_ZERO_CONNECTIONS" "true") -}}
{{- end -}}
{{- $agent := dict "statusPort" $config.statusPort "healthPort" $config.healthPort "prometheusPort" $config.prometheusPort "probes" dict "podInfo" "/etc/lateen/pod" -}}
{{- $own = concat $own (list (list "LATEEN_BOOTSTRAP" (include "mesh.gatewayBootstrap" .)) (list "LATEEN_AGENT" (toJson $agent))) -}}
{{- $taken := list "POD_NAME" "POD_NAMESPACE" "INSTANCE_IP" "INSTANCE_IPS" "HOST_IP" "NODE_NAME" "SERVICE_ACCOUNT" -}}
{{- range $own -}}{{- $taken = append $taken (index . 0) -}}{{- end -}}
{{- /* Istio's users write $(POD_NAME) and the like here: passed on as it is. */ -}}
{{- range $name, $value := $config.proxyMetadata -}}
  {{- if not (has $name $taken) -}}{{- $env = append $env (dict "name" $name "value" $value) -}}{{- end -}}
{{- end -}}
{{- range $own -}}{{- $env = append $env (dict "name" (index . 0) "value" (include "mesh.expandable" (index . 1))) -}}{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{/* What the injector puts into the container. Called with (context, name, namespace, labels, ports, configuration). */}}
{{- define "mesh.gatewayContainer" -}}
{{- $config := index . 5 -}}
{{- $node := include "mesh.gatewayNode" . | fromJson -}}
image: {{ $config.image }}
imagePullPolicy: {{ $config.imagePullPolicy }}
args: [proxy]
env:
  {{- include "mesh.gatewayEnv" (list $node $config) | nindent 2 }}
{{- if and ($config.statusPort | int) ($config.healthPort | int) }}
readinessProbe:
  httpGet: { path: /healthz/ready, port: {{ $config.healthPort }} }
  {{- toYaml $config.readinessProbe | nindent 2 }}
{{- end }}
volumeMounts:
  - { name: lateen-token, mountPath: /var/run/secrets/lateen/token, readOnly: true }
  - { name: lateen-ca-root, mountPath: /var/run/secrets/lateen/root, readOnly: true }
  - { name: lateen-podinfo, mountPath: /etc/lateen/pod, readOnly: true }
  - { name: lateen-state, mountPath: /var/lib/lateen }
{{- end -}}

{{/* Called with the configuration. */}}
{{- define "mesh.gatewayVolumes" -}}
- name: lateen-token
  projected:
    sources:
      - serviceAccountToken: { audience: {{ .tokenAudience }}, expirationSeconds: {{ .tokenSeconds | int64 }}, path: token }
- name: lateen-ca-root
  configMap: { name: {{ .rootConfigMap }} }
- name: lateen-podinfo
  downwardAPI:
    items:
      - { path: labels, fieldRef: { fieldPath: metadata.labels } }
      - { path: annotations, fieldRef: { fieldPath: metadata.annotations } }
# In memory: private keys do not touch a disk.
- name: lateen-state
  emptyDir: { medium: Memory }
{{- end -}}
