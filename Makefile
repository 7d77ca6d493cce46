# The only entry points; CI uses the same. `make` lists them.

CARGO ?= cargo
CHROME := $(shell command -v google-chrome 2>/dev/null)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help demo test setup lint unit it client chart image manifests docs bench fmt clean

help:
	@echo "make demo    run a gateway with a page where one can watch a notification arrive"
	@echo "make test    install what the tests need, check format and lints, run all tests"
	@echo "make client  the library for browsers alone: build, size, tests in Chromium"
	@echo "make bench   the figures of the README, on this machine (30 minutes)"
	@echo "make chart   check chart, manifests, alerts and dashboards alone; no cluster needed"
	@echo "make image   the root file system of the image in target/image/root, and whether it starts; no builder needed"
	@echo "make manifests   write what is generated from the chart: k8s/ and the table of its README"
	@echo "make fmt     format the code"

demo:
	$(CARGO) run --release -- demo

test: setup lint chart client unit it image
	@echo "all checks passed"

# Real servers for the tests, which start them themselves on free ports, and the clients of the README's examples.
# Where Chrome is there, as on GitHub's machines, it does.
PACKAGES := redis-server rabbitmq-server haproxy $(if $(CHROME),,chromium) curl openssl python3-venv python3-redis ruby-redis php-cli php-redis

setup:
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 || \
		rustup component add rustfmt clippy
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { \
		echo "installing $(PACKAGES)"; \
		$(SUDO) apt-get update -qq && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null; }

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

unit:
	$(CARGO) test --workspace --locked --lib --bins

it:
	CARGO="$(CARGO)" tests/run

CAMPANILE_BIN = $(abspath $(or $(CARGO_TARGET_DIR),target)/debug/campanile)

# The browser's library: types, size, unit tests, and everything in a real Chromium against the gateway.
client:
	$(CARGO) build --locked
	cd client && npm ci --silent && npm run --silent check:demo && npm run --silent build && npm run --silent size
	cd client && export CAMPANILE_BIN="$(CAMPANILE_BIN)" && npm test --silent && npm run --silent test:browser

chart:
	tests/chart/run

image:
	tests/image/run

manifests:
	tests/chart/run --bless

# Each line is a figure of the README or of docs/performance.md; reports go to target/bench.
LOAD = ulimit -n "$$(ulimit -H -n)" && mkdir -p target/bench && target/release/campanile-loadtest

bench:
	$(CARGO) build --release --workspace --locked
	$(LOAD) idle --connections 19000 --steps 1000,5000,10000,19000 --seconds 10 --rounds 5 --report target/bench/idle.html
	$(LOAD) unicast --users 1000 --saturate --seconds 10 --rounds 5 --report target/bench/saturated.html
	$(LOAD) unicast --users 1000 --rate 10000 --seconds 10 --rounds 5 --report target/bench/paced.html
	$(LOAD) unicast --users 1000 --rate 10000 --seconds 10 --rounds 5 --gateway-env CAMPANILE_CAPTURE=false --report target/bench/paced-live.html
	$(LOAD) rates --rounds 3 --report target/bench/rates.html
	$(LOAD) fanout --connections 10000 --rate 2 --seconds 10 --rounds 5 --report target/bench/fanout.html
	$(LOAD) storm --connections 19000 --rounds 3 --report target/bench/storm.html
	$(LOAD) durable --users 1000 --seconds 10 --rounds 3 --report target/bench/durable.html
	$(LOAD) jitter --clients 10000 --rate 2 --seconds 60 --rounds 2 --report target/bench/jitter.html
	$(LOAD) compare --connections 8000 --users 1000 --rate 5000 --rounds 5 --report target/bench/compare.html

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean
