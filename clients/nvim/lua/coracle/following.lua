--- What becomes of a subscription as services come and go: states, inputs, and what is to be done for each. It has no session,
--- no clock and no editor; who drives it gives each input to the method of its name and does what that answers, in order:
---
---     { 'ask', turn }          send event/subscribe; its answer is `answer` or `failure`, of that turn
---     { 'wait', turn, ms }     give `due` of that turn after so many milliseconds
---     { 'follow', result }     events come: what event/subscribe answered
---     { 'show', event }        an event
---     { 'tell', err }          tell the person
---     { 'leave', name }        end the subscription of that name
---
--- States:
---
---     resting      asks for events when a session begins, and begins none: a person has ended the session, the service has
---                  refused, or there never was one
---     asking       has sent event/subscribe
---     following    has been answered, and has the subscription's name
---     pausing      asks again when the pause is over, or a session begins
---     over         nobody wants events any more
---
--- What is told: what the service says against the subscription, and that a service which was to begin for it did not. That
--- the service has ended is not told: the next one may be there. Of one outage, which is over when events come again, all who
--- follow events tell no more than one error; only what a person has just asked for says in any case why it fails.
local M = {}
M.__index = M

--- In milliseconds: each pause is twice as long as the one before, until an event comes.
M.first_pause, M.longest_pause = 100, 5000

--- Of a subscription that nothing has been done for. Those that are given the same `outage`, a table, tell of an outage once.
function M.new(outage)
  return setmetatable({ state = 'resting', turn = 0, pause = M.first_pause, outage = outage or {} }, M)
end

--- Goes to a state. What was begun in the one before is of another turn.
function M:enter(state, name)
  self.state, self.name, self.turn = state, name, self.turn + 1
end

function M:ask(is_open)
  self:enter('asking')
  -- Whether a service has to begin for it.
  self.begins_one = not is_open
  return { { 'ask', self.turn } }
end

function M:wait()
  self:enter('pausing')
  local pause = self.pause
  self.pause = math.min(pause * 2, M.longest_pause)
  return { { 'wait', self.turn, pause } }
end

--- A person wants events; `is_open` says whether there is a session.
function M:start(is_open)
  self.is_first, self.was_begun = true, is_open
  return self:ask(is_open)
end

--- A session has begun.
function M:begin()
  self.was_begun = true
  if self.state == 'resting' or self.state == 'pausing' then
    return self:ask(true)
  end
  return {}
end

--- The pause is over.
function M:due(turn, is_open)
  return self.state == 'pausing' and turn == self.turn and self:ask(is_open) or {}
end

--- event/subscribe was answered with a result.
function M:answer(turn, result)
  if turn ~= self.turn then
    -- Nobody waits for it any more, but it is there.
    return { { 'leave', result.subscription } }
  end
  self:enter('following', result.subscription)
  self.is_first, self.was_begun, self.outage.is_told = false, true, false
  return { { 'follow', result } }
end

--- event/subscribe was answered with an error, which is of an outage where no service has taken the request.
function M:failure(turn, err)
  if self.state ~= 'asking' or turn ~= self.turn then
    return {}
  end
  local is_first = self.is_first
  self.is_first = false
  if not err.is_outage then
    -- What the service has refused it would refuse again.
    self:enter('resting')
    return { { 'tell', err } }
  end
  local actions = {}
  if self.begins_one and (is_first or not self.outage.is_told) then
    self.outage.is_told = true
    actions = { { 'tell', err } }
  end
  if self.was_begun then
    return vim.list_extend(actions, self:wait())
  end
  -- What has never been there may be a mistake of the person's, who is told.
  self:enter('resting')
  return actions
end

--- The service of the session has ended by itself.
function M:exit(err)
  if self.state == 'asking' then
    return self:failure(self.turn, err)
  elseif self.state == 'following' then
    -- The next session has subscriptions of the same names.
    return self:wait()
  end
  return {}
end

--- A person has ended the session, or wants none to begin.
function M:stop()
  if self.state ~= 'over' then
    self.is_first, self.outage.is_told = false, false
    self:enter('resting')
  end
  return {}
end

--- event/occurred, of whichever subscription.
function M:event(event)
  if self.state ~= 'following' or event.subscription ~= self.name then
    return {}
  end
  self.pause, self.has_told_end = M.first_pause, false
  return { { 'show', event } }
end

--- event/ended, of whichever subscription: the service goes on, and is asked for another one. Until an event comes it is told
--- of once.
function M:ended(params)
  if self.state ~= 'following' or params.subscription ~= self.name then
    return {}
  end
  local actions = {}
  if not self.has_told_end then
    self.has_told_end = true
    actions = { { 'tell', { message = params.error.message, data = params.error } } }
  end
  return vim.list_extend(actions, self:wait())
end

--- The person wants no more events. An answer that is under way is still to be given to it.
function M:finish()
  local actions = self.name and { { 'leave', self.name } } or {}
  self:enter('over')
  return actions
end

return M
