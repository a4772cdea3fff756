-- A request with the method, type and body that bench/load.py gives in the environment; and what wrk measured, as one
-- line of JSON, which it reads. "%d" in the body becomes a number that no other request of the run has.
local body = os.getenv("BENCH_BODY")
local counter = 0

if body then
	wrk.method = os.getenv("BENCH_METHOD") or "POST"
	wrk.headers["Content-Type"] = "application/json"
	function request()
		counter = counter + 1
		return wrk.format(nil, nil, nil, (body:gsub("%%d", tostring(counter))))
	end
end

function done(summary, latency, requests)
	local e = summary.errors
	local failures = e.connect + e.read + e.write + e.status + e.timeout
	io.write(string.format(
		'{"requests": %d, "bytes": %d, "seconds": %.6f, "p50_us": %.0f, "p99_us": %.0f, "max_us": %.0f, "failures": %d}\n',
		summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
		latency.max, failures))
end
