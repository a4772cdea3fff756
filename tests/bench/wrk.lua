-- What wrk measured, as one line of JSON; bench/load.py reads it.
function done(summary, latency, requests)
	local e = summary.errors
	local failures = e.connect + e.read + e.write + e.status + e.timeout
	io.write(string.format(
		'{"requests": %d, "bytes": %d, "seconds": %.6f, "p50_us": %.0f, "p99_us": %.0f, "max_us": %.0f, "failures": %d}\n',
		summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
		latency.max, failures))
end
