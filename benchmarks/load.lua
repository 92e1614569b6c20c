-- The load of one round. Arguments:
-- plain | close | post BYTES | json TEXT | heads FILE | pipeline COUNT
-- Prints at the end what the other side parses: requests, microseconds, errors, p50, p99.

local heads, index, pipeline = nil, 0, nil

local function read_heads(path)
  local list = {}
  local text = io.open(path, "rb"):read("*a")
  for head in text:gmatch("(.-\r\n\r\n)") do list[#list + 1] = head end
  return list
end

function init(args)
  local what, value = args[1], args[2]
  if what == "close" then wrk.headers["Connection"] = "close" end
  if what == "post" then
    wrk.method = "POST"
    wrk.body = string.rep("x", tonumber(value))
  end
  if what == "json" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = value
  end
  local plain = wrk.format()
  if what == "heads" then
    heads = read_heads(value)
    request = function()
      index = index % #heads + 1
      return heads[index]
    end
  elseif what == "pipeline" then
    pipeline = string.rep(plain, tonumber(value))
    request = function() return pipeline end
  else
    request = function() return plain end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("FIGURES %d %d %d %d %.1f %.1f", summary.requests, summary.duration,
    e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
