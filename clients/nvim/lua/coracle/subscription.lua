--- Events for as long as somebody wants them. After the service has ended the next one is asked for them; not where the
--- session was ended on purpose, until something else begins one.
local session = require('coracle.session')

local M = {}

--- In milliseconds: each pause is twice as long as the one before, until an event comes.
M.first_pause, M.longest_pause = 100, 5000

--- Subscribes, with the parameters that `params` answers each time. `on_event` is called with each event, and `on_answer`
--- with each answer to event/subscribe, or with an error; of an outage only with the first one. Answers what ends it.
function M.follow(params, on_event, on_answer)
  local name
  -- Whether there was ever a session, whatever became of this in it.
  local has_begun = session.is_open()
  local has_told, is_over, is_asking, is_due, is_wanted = false, false, false, false, true
  local pause = M.first_pause
  local subscribe

  local function later()
    -- What has never been there may be a mistake of the person's, who was told.
    if is_over or is_due or not has_begun or not is_wanted then
      return
    end
    is_due = true
    vim.defer_fn(function()
      is_due = false
      if is_wanted then
        subscribe()
      end
    end, pause)
    pause = math.min(pause * 2, M.longest_pause)
  end

  local function leave(subscription)
    session.request('event/unsubscribe', { subscription = subscription }, function() end)
  end

  local function answered(err, result)
    is_asking = false
    if is_over then
      if result then
        leave(result.subscription)
      end
    elseif result then
      name, has_told = result.subscription, false
      on_answer(nil, result)
    elseif is_wanted then
      -- The end of a service is no outage yet: the next one may be there.
      if not (has_told or err.was_open) then
        has_told = true
        on_answer(err)
      end
      -- What the service has refused it would refuse again.
      if not err.code then
        later()
      end
    end
  end

  function subscribe()
    if not (is_over or is_asking or name) then
      is_asking = true
      session.request('event/subscribe', params(), answered)
    end
  end

  local unlisteners = {
    session.listen('event/occurred', function(event)
      if event.subscription == name then
        pause = M.first_pause
        on_event(event)
      end
    end),
    session.listen('begin', function()
      has_begun, is_wanted = true, true
      subscribe()
    end),
    session.listen('exit', function(ending)
      -- The next session has subscriptions of the same names.
      name = nil
      is_wanted = not ending.is_deliberate
      later()
    end),
  }
  subscribe()
  return function()
    is_over = true
    for _, unlisten in ipairs(unlisteners) do
      unlisten()
    end
    if name then
      leave(name)
    end
  end
end

return M
