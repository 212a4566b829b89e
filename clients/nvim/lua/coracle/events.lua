--- Events of the store as notifications. None is lost: after the service has ended, they go on where they were.
local report = require('coracle.report')
local session = require('coracle.session')

local M = {}
--- After the last event that was told.
M.cursor = nil
local subscription
local unlisteners = {}

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

local function subscribe(callback)
  local params = { kinds = M.kinds, after = M.cursor }
  session.request('event/subscribe', next(params) and params or vim.empty_dict(), function(err, result)
    if err then
      report.error(err)
    else
      subscription, M.cursor = result.subscription, result.cursor
    end
    if callback then
      callback(err)
    end
  end)
end

--- Begins to tell events; `kinds` as in event/subscribe, all when nil.
function M.on(kinds, callback)
  M.off()
  M.kinds = kinds
  unlisteners = {
    session.listen('event/occurred', function(event)
      if event.subscription == subscription then
        M.cursor = event.cursor
        local tell = is_bad(event) and report.warn or report.info
        tell(text(event))
      end
    end),
    session.listen('exit', function()
      subscription = nil
      vim.defer_fn(function()
        if #unlisteners > 0 and not subscription then
          subscribe()
        end
      end, 500)
    end),
  }
  subscribe(callback)
end

function M.off()
  for _, unlisten in ipairs(unlisteners) do
    unlisten()
  end
  unlisteners, M.cursor = {}, nil
  if subscription then
    session.request('event/unsubscribe', { subscription = subscription }, function() end)
    subscription = nil
  end
end

return M
