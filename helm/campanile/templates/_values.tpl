{{/* A value as the text of a variable: lists by commas, and whole numbers without an exponent, which large ones get
     because Helm reads every number as a float. */}}
{{- define "campanile.text" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Milliseconds of a duration such as `500ms`, `5s`, `1m`; the schema lets no other through. */}}
{{- define "campanile.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mul $number (get (dict "ms" 1 "s" 1000 "m" 60000) $unit) -}}
{{- end -}}

{{/* MiB of a quantity of memory, rounded down; nothing for a form that is not known here. */}}
{{- define "campanile.mebibytes" -}}
{{- $text := toString . -}}
{{- if regexMatch "^[0-9]+(Ki|Mi|Gi|M|G)$" $text -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- if eq $unit "Ki" }}{{ div $number 1024 }}
{{- else if eq $unit "Mi" }}{{ $number }}
{{- else if eq $unit "Gi" }}{{ mul $number 1024 }}
{{- else if eq $unit "M" }}{{ div (mul $number 1000000) 1048576 }}
{{- else }}{{ div (mul $number 1000000000) 1048576 }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* What the sockets of one pod need, in MiB. */}}
{{- define "campanile.memoryMiB" -}}
{{- $each := mul (int64 .Values.capacity.connectionsPerPod) (int64 .Values.capacity.memoryPerConnectionKiB) -}}
{{- add (int64 .Values.capacity.memoryBaseMiB) (div (add $each 1023) 1024) -}}
{{- end -}}

{{- define "campanile.resources" -}}
{{- $memory := printf "%sMi" (include "campanile.memoryMiB" .) -}}
{{- $default := dict "requests" (dict "memory" $memory) "limits" (dict "memory" $memory) -}}
{{- $given := deepCopy .Values.resources -}}
{{- $limit := dig "limits" "memory" "" $given -}}
{{- if and $limit (not (dig "requests" "memory" "" $given)) -}}
{{- $_ := set $default "requests" (dict "memory" $limit) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $default $given) -}}
{{- end -}}

{{/* Seconds that a pod needs to leave, rounded up. */}}
{{- define "campanile.leavingSeconds" -}}
{{- $drain := .Values.drain -}}
{{- $gateway := add (include "campanile.milliseconds" $drain.delay) (include "campanile.milliseconds" $drain.window) -}}
{{- add (int64 $drain.preStopSleepSeconds) (div (add $gateway 999) 1000) (int64 $drain.slackSeconds) -}}
{{- end -}}

{{/* Connections per pod that scaling aims at. */}}
{{- define "campanile.targetConnections" -}}
{{- $given := int64 .Values.autoscaling.connectionsPerPod -}}
{{- if $given }}{{ $given }}{{ else }}{{ div (mul (int64 .Values.capacity.connectionsPerPod) 7) 10 }}{{ end -}}
{{- end -}}
