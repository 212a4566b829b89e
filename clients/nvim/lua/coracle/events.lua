--- Events of the store as notifications. None is lost: after the service has ended, they go on where they were.
local report = require('coracle.report')
local subscription = require('coracle.subscription')

local M = {}
--- After the last event that was told.
M.cursor = nil
local unfollow

local function text(event)
  local attributes = event.attributes or {}
  local subject = attributes.name or attributes.reference or event.subject:sub(1, 19)
  local what = event.kind:gsub('^.*%.', ''):gsub('(%u)', function(letter)
    return ' ' .. letter:lower()
  end)
  if attributes.exitCode then
    what = ('%s with %d'):format(what, attributes.exitCode)
  elseif attributes.health then
    what = attributes.health
  end
  return ('%s: %s'):format(subject, what)
end

local function is_bad(event)
  local attributes = event.attributes or {}
  return (attributes.exitCode or 0) ~= 0
    or attributes.health == 'unhealthy'
    or event.kind == 'container.outOfMemory'
    or event.kind == 'event.gap'
end

--- Begins to tell events; `kinds` as in event/subscribe, all when nil. Calls back with the first answer: an error or nil.
function M.on(kinds, callback)
  M.off()
  local function params()
    local wanted = { kinds = kinds, after = M.cursor }
    return next(wanted) and wanted or vim.empty_dict()
  end
  unfollow = subscription.follow(params, function(event)
    M.cursor = event.cursor
    local tell = is_bad(event) and report.warn or report.info
    tell(text(event))
  end, function(err, result)
    if err then
      report.error(err)
    else
      M.cursor = result.cursor
    end
    if callback then
      callback(err)
      callback = nil
    end
  end)
end

function M.off()
  if unfollow then
    unfollow()
  end
  unfollow, M.cursor = nil, nil
end

return M
