{{/* The variables that are no secret. */}}
{{- define "campanile.config" -}}
CAMPANILE_LISTEN: "0.0.0.0:{{ .Values.containerPorts.http }}"
CAMPANILE_OPS_LISTEN: "0.0.0.0:{{ .Values.containerPorts.ops }}"
CAMPANILE_DRAIN_DELAY: {{ .Values.drain.delay | quote }}
CAMPANILE_DRAIN_WINDOW: {{ .Values.drain.window | quote }}
CAMPANILE_MAX_CONNECTIONS: {{ include "campanile.text" .Values.capacity.connectionsPerPod | quote }}
CAMPANILE_LOG: {{ .Values.log.level | quote }}
CAMPANILE_LOG_FORMAT: {{ .Values.log.format | quote }}
{{- with .Values.redis.tls }}
{{- if .existingSecret }}
{{- with .caKey }}
CAMPANILE_REDIS_CA_FILE: {{ printf "/etc/campanile/redis-tls/%s" . | quote }}
{{- end }}
{{- with .certKey }}
CAMPANILE_REDIS_CERT_FILE: {{ printf "/etc/campanile/redis-tls/%s" . | quote }}
{{- end }}
{{- with .privateKeyKey }}
CAMPANILE_REDIS_KEY_FILE: {{ printf "/etc/campanile/redis-tls/%s" . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.amqp.tls }}
{{- if .existingSecret }}
CAMPANILE_AMQP_CA_FILE: {{ printf "/etc/campanile/amqp-tls/%s" .caKey | quote }}
{{- end }}
{{- end }}
{{- if .Values.auth.publicKeys }}
CAMPANILE_JWT_PUBLIC_KEY_FILE: /etc/campanile/public-keys/keys.pem
{{- end }}
{{- with .Values.auth.jwksUrl }}
CAMPANILE_JWKS_URL: {{ . | quote }}
{{- end }}
{{- with .Values.amqp.queue }}
CAMPANILE_AMQP_QUEUE: {{ . | quote }}
{{- end }}
{{- if .Values.amqp.prefetch }}
CAMPANILE_AMQP_PREFETCH: {{ include "campanile.text" .Values.amqp.prefetch | quote }}
{{- end }}
{{- with .Values.mail.from }}
CAMPANILE_MAIL_FROM: {{ . | quote }}
{{- end }}
{{- with .Values.mail.after }}
CAMPANILE_MAIL_AFTER: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.config }}
CAMPANILE_{{ snakecase $name | upper }}: {{ include "campanile.text" $value | quote }}
{{- end }}
{{- end -}}
