{{/* Name of the Secret that the chart makes of what stands in values. */}}
{{- define "campanile.valuesSecret" -}}
{{ include "campanile.fullname" . }}-values
{{- end -}}

{{/* What goes into it: keys as in an `existingSecret`. */}}
{{- define "campanile.secretValues" -}}
{{- $values := dict -}}
{{- if and .Values.redis.url (not .Values.redis.password.existingSecret) }}{{ $_ := set $values "redis-url" .Values.redis.url }}{{ end -}}
{{- with .Values.auth.jwtSecret }}{{ $_ := set $values "jwt-secret" . }}{{ end -}}
{{- with .Values.publish.keys }}{{ $_ := set $values "publish-keys" . }}{{ end -}}
{{- with .Values.amqp.url }}{{ $_ := set $values "amqp-url" . }}{{ end -}}
{{- with .Values.mail.smtpUrl }}{{ $_ := set $values "smtp-url" . }}{{ end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* One variable from a Secret: `(list variable secret key)`. */}}
{{- define "campanile.fromSecret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end -}}

{{/* Variables that are secret or depend on one. */}}
{{- define "campanile.env" -}}
{{- $own := include "campanile.valuesSecret" . -}}
{{- $name := include "campanile.fullname" . -}}
{{- with .Values.redis -}}
{{- if .bundled.enabled }}
- name: CAMPANILE_REDIS_URL
  value: {{ printf "redis://%s-redis:6379" $name | quote }}
{{- else if .password.existingSecret }}
{{ include "campanile.fromSecret" (list "REDIS_PASSWORD" .password.existingSecret .password.key) }}
- name: CAMPANILE_REDIS_URL
  value: {{ .url | quote }}
{{- else if .url }}
{{ include "campanile.fromSecret" (list "CAMPANILE_REDIS_URL" $own "redis-url") }}
{{- else }}
{{ include "campanile.fromSecret" (list "CAMPANILE_REDIS_URL" (default $name .existingSecret) .existingSecretKey) }}
{{- end }}
{{- end }}
{{- with .Values.auth }}
{{- if .jwtSecret }}
{{ include "campanile.fromSecret" (list "CAMPANILE_JWT_SECRET" $own "jwt-secret") }}
{{- else if or .existingSecret (not (or .publicKeys .jwksUrl)) }}
{{ include "campanile.fromSecret" (list "CAMPANILE_JWT_SECRET" (default $name .existingSecret) .existingSecretKey) }}
{{- end }}
{{- end }}
{{- with .Values.publish }}
{{- if or .keys .existingSecret }}
{{ include "campanile.fromSecret" (list "CAMPANILE_PUBLISH_KEYS" (default $own .existingSecret) (ternary "publish-keys" .existingSecretKey (ne .keys ""))) }}
{{- end }}
{{- end }}
{{- with .Values.amqp }}
{{- if or .url .existingSecret }}
{{ include "campanile.fromSecret" (list "CAMPANILE_AMQP_URL" (default $own .existingSecret) (ternary "amqp-url" .existingSecretKey (ne .url ""))) }}
{{- end }}
{{- end }}
{{- with .Values.mail }}
{{- if or .smtpUrl .existingSecret }}
{{ include "campanile.fromSecret" (list "CAMPANILE_SMTP_URL" (default $own .existingSecret) (ternary "smtp-url" .existingSecretKey (ne .smtpUrl ""))) }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Makes pods new when what they read at their start has changed. */}}
{{- define "campanile.podAnnotations" -}}
checksum/config: {{ print (include "campanile.config" .) .Values.auth.publicKeys | sha256sum }}
{{- if ne (include "campanile.secretValues" .) "{}" }}
checksum/secret: {{ include "campanile.secretValues" . | sha256sum }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The part of a container that reads the configuration. */}}
{{- define "campanile.configured" -}}
image: {{ include "campanile.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "campanile.fullname" . }}
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  {{- include "campanile.env" . | trim | nindent 2 }}
{{- if or .Values.redis.tls.existingSecret .Values.amqp.tls.existingSecret .Values.auth.publicKeys .Values.extraVolumeMounts }}
volumeMounts:
  {{- if .Values.redis.tls.existingSecret }}
  - name: redis-tls
    mountPath: /etc/campanile/redis-tls
    readOnly: true
  {{- end }}
  {{- if .Values.amqp.tls.existingSecret }}
  - name: amqp-tls
    mountPath: /etc/campanile/amqp-tls
    readOnly: true
  {{- end }}
  {{- if .Values.auth.publicKeys }}
  - name: public-keys
    mountPath: /etc/campanile/public-keys
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The part of a pod that all have: `(list $ "gateway")`. */}}
{{- define "campanile.pod" -}}
{{- $root := index . 0 -}}
{{- $selector := include "campanile.selector" . -}}
{{- with $root.Values -}}
{{- $secrets := concat .imagePullSecrets .global.imagePullSecrets | uniq -}}
{{- with $secrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
serviceAccountName: {{ include "campanile.serviceAccountName" $root }}
automountServiceAccountToken: false
# Kubernetes would inject CAMPANILE_PORT and the like.
enableServiceLinks: false
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with .hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and .topologySpreadConstraints (ne (index $ 1) "check") }}
topologySpreadConstraints:
  {{- $own := dict "labelSelector" (dict "matchLabels" (fromYaml $selector)) }}
  {{- range .topologySpreadConstraints }}
  - {{ toYaml (merge (deepCopy .) $own) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- if or .redis.tls.existingSecret .amqp.tls.existingSecret .auth.publicKeys .extraVolumes }}
volumes:
  {{- with .redis.tls.existingSecret }}
  - name: redis-tls
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- with .amqp.tls.existingSecret }}
  - name: amqp-tls
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- if .auth.publicKeys }}
  - name: public-keys
    configMap:
      name: {{ include "campanile.fullname" $root }}-public-keys
  {{- end }}
  {{- with .extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels of a pod: without the chart's version, which must not make pods new. */}}
{{- define "campanile.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "campanile.selector" . }}
app.kubernetes.io/version: {{ default $root.Chart.AppVersion $root.Values.image.tag | trunc 63 | quote }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with $root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
