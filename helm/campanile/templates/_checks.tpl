{{/* What no schema can say. Every template that makes the Deployment includes it, so nothing is applied by halves. */}}
{{- define "campanile.checks" -}}
{{- $redis := .Values.redis -}}
{{- $auth := .Values.auth -}}

{{- $given := int64 .Values.terminationGracePeriodSeconds -}}
{{- $needed := int64 (include "campanile.leavingSeconds" .) -}}
{{- if lt $given $needed -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and a pod needs %d: drain.preStopSleepSeconds + drain.delay + drain.window + drain.slackSeconds. What is left then is killed with its sockets: raise the one or lower the others." $given $needed) -}}
{{- end -}}

{{- $sources := compact (list (ternary "redis.url" "" (ne $redis.url "")) (ternary "redis.existingSecret" "" (ne $redis.existingSecret "")) (ternary "redis.bundled.enabled" "" $redis.bundled.enabled)) -}}
{{- if gt (len $sources) 1 -}}
{{- fail (printf "%s are given: one Redis, so one of them." (join " and " $sources)) -}}
{{- end -}}
{{- $placeholder := contains "$(REDIS_PASSWORD)" $redis.url -}}
{{- if and $redis.password.existingSecret (not $placeholder) -}}
{{- fail "redis.password.existingSecret is given, and redis.url does not say $(REDIS_PASSWORD), as in redis://default:$(REDIS_PASSWORD)@redis:6379." -}}
{{- end -}}
{{- if and $placeholder (not $redis.password.existingSecret) -}}
{{- fail "redis.url says $(REDIS_PASSWORD): name the Secret that has it in redis.password.existingSecret." -}}
{{- end -}}
{{- if and $redis.tls.existingSecret $redis.url (not (hasPrefix "rediss" $redis.url)) -}}
{{- fail "redis.tls is given, and redis.url is without TLS: it has to begin with rediss." -}}
{{- end -}}
{{- if ne (empty $redis.tls.certKey) (empty $redis.tls.privateKeyKey) -}}
{{- fail "redis.tls.certKey and redis.tls.privateKeyKey go together." -}}
{{- end -}}
{{- if and (not $redis.tls.existingSecret) $redis.tls.certKey -}}
{{- fail "redis.tls.certKey names a key of a Secret: give redis.tls.existingSecret." -}}
{{- end -}}

{{- if and $auth.jwtSecret $auth.existingSecret -}}
{{- fail "auth.jwtSecret and auth.existingSecret are given: one of them." -}}
{{- end -}}
{{- range $name, $part := dict "publish.keys" (list .Values.publish.keys .Values.publish.existingSecret) "amqp.url" (list .Values.amqp.url .Values.amqp.existingSecret) "mail.smtpUrl" (list .Values.mail.smtpUrl .Values.mail.existingSecret) -}}
{{- if and (index $part 0) (index $part 1) -}}
{{- fail (printf "%s and the existingSecret beside it are given: one of them." $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.amqp.tls.existingSecret .Values.amqp.url (not (hasPrefix "amqps" .Values.amqp.url)) -}}
{{- fail "amqp.tls is given, and amqp.url is without TLS: it has to begin with amqps." -}}
{{- end -}}
{{- if and .Values.worker.enabled (not (or .Values.amqp.url .Values.amqp.existingSecret .Values.mail.smtpUrl .Values.mail.existingSecret)) (not (or .Values.extraEnv .Values.extraEnvFrom)) -}}
{{- fail "worker is enabled without amqp and without mail: it would have nothing to do, and ends at once." -}}
{{- end -}}
{{- if and (or .Values.mail.smtpUrl .Values.mail.existingSecret) (not .Values.mail.from) -}}
{{- fail "mail needs a sender: mail.from." -}}
{{- end -}}

{{- $homes := dict "listen" "containerPorts.http" "opsListen" "containerPorts.ops" "redisUrl" "redis.url or redis.existingSecret" "redisCaFile" "redis.tls" "redisCertFile" "redis.tls" "redisKeyFile" "redis.tls" "jwtSecret" "auth.jwtSecret or auth.existingSecret" "jwtPublicKeyFile" "auth.publicKeys" "jwksUrl" "auth.jwksUrl" "publishKeys" "publish.keys or publish.existingSecret" "publishKey" "publish.keys or publish.existingSecret" "maxConnections" "capacity.connectionsPerPod" "drainDelay" "drain.delay" "drainWindow" "drain.window" "log" "log.level" "logFormat" "log.format" "amqpUrl" "amqp.url or amqp.existingSecret" "amqpQueue" "amqp.queue" "amqpPrefetch" "amqp.prefetch" "amqpCaFile" "amqp.tls" "smtpUrl" "mail.smtpUrl or mail.existingSecret" "mailFrom" "mail.from" "mailAfter" "mail.after" -}}
{{- range $name, $value := .Values.config -}}
{{- if not (regexMatch "^[a-z]+([A-Z][a-z]*)*$" $name) -}}
{{- fail (printf "config.%s: options are named without CAMPANILE_ and in camelCase, such as pingInterval for CAMPANILE_PING_INTERVAL." $name) -}}
{{- end -}}
{{- if hasKey $homes $name -}}
{{- fail (printf "config.%s has a value of its own: %s." $name (get $homes $name)) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "CAMPANILE_LISTEN" "CAMPANILE_OPS_LISTEN" "CAMPANILE_DRAIN_DELAY" "CAMPANILE_DRAIN_WINDOW" "CAMPANILE_MAX_CONNECTIONS") -}}
{{- fail (printf "extraEnv sets %s, which other parts of the chart reckon with: see containerPorts, drain and capacity." .name) -}}
{{- end -}}
{{- end -}}

{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling and keda are both enabled: two would scale the same Deployment against each other." -}}
{{- end -}}
{{- if gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas." -}}
{{- end -}}
{{- if gt (int64 (include "campanile.targetConnections" .)) (int64 .Values.capacity.connectionsPerPod) -}}
{{- fail "autoscaling.connectionsPerPod is above capacity.connectionsPerPod, which a pod never exceeds: nothing would ever be added." -}}
{{- end -}}

{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- with include "campanile.mebibytes" $limit -}}
{{- if lt (int64 .) (int64 (include "campanile.memoryMiB" $)) -}}
{{- fail (printf "resources.limits.memory is %s, and %d sockets need %sMi: capacity.memoryBaseMiB + connectionsPerPod × memoryPerConnectionKiB." $limit (int64 $.Values.capacity.connectionsPerPod) (include "campanile.memoryMiB" $)) -}}
{{- end -}}
{{- end -}}

{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress is enabled without ingress.hosts." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute is enabled without httpRoute.parentRefs: which Gateway?" -}}
{{- end -}}
{{- if eq (int64 .Values.containerPorts.http) (int64 .Values.containerPorts.ops) -}}
{{- fail "containerPorts.http and containerPorts.ops are the same." -}}
{{- end -}}
{{- end -}}
