--- Events for as long as somebody wants them. After the service has ended the next one is asked for them; not where a person has
--- ended the session, until something else begins one.
local following = require('coracle.following')
local session = require('coracle.session')

local M = {}
local outage = {}

--- Subscribes, with the parameters that `params` answers each time. `on_event` is called with each event, and `on_answer`
--- with each answer to event/subscribe, or with an error to tell. Answers what ends it.
function M.follow(params, on_event, on_answer)
  local machine = following.new(outage)
  local carry_out

  local actions = {
    ask = function(turn)
      session.request('event/subscribe', params(), function(err, result)
        carry_out(err and machine:failure(turn, err) or machine:answer(turn, result))
      end)
    end,
    wait = function(turn, pause)
      vim.defer_fn(function()
        carry_out(machine:due(turn, session.is_open()))
      end, pause)
    end,
    follow = function(result)
      on_answer(nil, result)
    end,
    show = on_event,
    tell = on_answer,
    leave = function(name)
      -- With its session it would have ended as well, so it is of the one at hand.
      session.post('event/unsubscribe', { subscription = name })
    end,
  }

  function carry_out(list)
    for _, action in ipairs(list) do
      actions[action[1]](unpack(action, 2))
    end
  end

  local unlisteners = {}
  for method, input in pairs({
    begin = 'begin', exit = 'exit', stop = 'stop', ['event/occurred'] = 'event', ['event/ended'] = 'ended',
  }) do
    table.insert(unlisteners, session.listen(method, function(value)
      carry_out(machine[input](machine, value))
    end))
  end
  carry_out(machine:start(session.is_open()))
  return function()
    for _, unlisten in ipairs(unlisteners) do
      unlisten()
    end
    carry_out(machine:finish())
  end
end

return M
