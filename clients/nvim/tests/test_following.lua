local following = require('coracle.following')

local lost = { message = 'the service has ended', is_outage = true }
local missing = { message = 'cannot find it', is_outage = true }
local refusal = { message = 'no such kind', code = -32602 }

--- A subscription that is followed.
local function followed(outage)
  local machine = following.new(outage)
  machine:start(true)
  machine:answer(machine.turn, { subscription = 'e1', cursor = 'c1' })
  return machine
end

--- One whose first pause has begun.
local function pausing(outage)
  local machine = followed(outage)
  machine:exit(lost)
  return machine
end

--- One that rests, since a person has ended the session.
local function stopped()
  local machine = followed()
  machine:stop()
  return machine
end

return {
  {
    name = 'following: what was asked for is answered, and events are shown',
    body = function(t)
      local machine = following.new()
      t.equal(machine.state, 'resting')
      t.equal(machine:start(false), { { 'ask', 1 } })
      t.equal(machine.state, 'asking')
      t.equal(machine:event({ subscription = 'e1' }), {})
      t.equal(machine:begin(), {})
      local result = { subscription = 'e1', cursor = 'c1' }
      t.equal(machine:answer(1, result), { { 'follow', result } })
      t.equal({ machine.state, machine.name }, { 'following', 'e1' })
      t.equal(machine:event({ subscription = 'e1', cursor = 'c2' }), { { 'show', { subscription = 'e1', cursor = 'c2' } } })
      t.equal(machine:event({ subscription = 'e2' }), {})
      t.equal(machine:begin(), {})
      t.equal(machine:finish(), { { 'leave', 'e1' } })
      t.equal({ machine.state, machine.name }, { 'over' })
    end,
  },
  {
    name = 'following: the end of the service is not told, and the next one is asked after a pause',
    body = function(t)
      local machine = followed()
      t.equal(machine:exit(lost), { { 'wait', 3, following.first_pause } })
      t.equal({ machine.state, machine.name }, { 'pausing' })
      t.equal(machine:exit(lost), {})
      t.equal(machine:event({ subscription = 'e1' }), {})
      t.equal(machine:due(2, false), {})
      t.equal(machine:due(3, false), { { 'ask', 4 } })
      t.equal(machine.state, 'asking')
      t.equal(machine:due(3, false), {})
    end,
  },
  {
    name = 'following: so it is while events are asked for of a session that is there, also the first time',
    body = function(t)
      local machine = following.new()
      machine:start(true)
      t.equal(machine:failure(1, lost), { { 'wait', 2, following.first_pause } })
      -- Its end and the answer that it makes come in whatever order.
      t.equal(machine:exit(lost), {})
      machine = following.new()
      machine:start(true)
      t.equal(machine:exit(lost), { { 'wait', 2, following.first_pause } })
      t.equal(machine:failure(1, lost), {})
      -- Or the next service has taken what was asked for in the end: it is asked again.
      t.equal(machine:answer(1, { subscription = 'e1' }), { { 'leave', 'e1' } })
      t.equal(machine.state, 'pausing')
      machine = pausing()
      t.equal(machine:begin(), { { 'ask', 4 } })
      t.equal(machine:exit(lost), { { 'wait', 5, 2 * following.first_pause } })
    end,
  },
  {
    name = 'following: that no service begins is told once, until events come again',
    body = function(t)
      local machine = pausing()
      for attempt = 1, 8 do
        machine:due(machine.turn, false)
        local actions = machine:failure(machine.turn, missing)
        if attempt == 1 then
          t.equal(table.remove(actions, 1), { 'tell', missing })
        end
        t.equal(actions, { { 'wait', machine.turn, math.min(2 ^ attempt * following.first_pause, following.longest_pause) } })
      end
      machine:due(machine.turn, false)
      machine:answer(machine.turn, { subscription = 'e1' })
      machine:event({ subscription = 'e1' })
      t.equal(machine:exit(lost)[1][3], following.first_pause)
      machine:due(machine.turn, false)
      t.equal(machine:failure(machine.turn, missing)[1], { 'tell', missing })
    end,
  },
  {
    name = 'following: a service that begins and does not come to answer has not begun',
    body = function(t)
      local machine = pausing()
      machine:due(machine.turn, false)
      machine:begin()
      t.equal(machine:exit(lost), { { 'tell', lost }, { 'wait', 5, 2 * following.first_pause } })
    end,
  },
  {
    name = 'following: of one outage all together tell once, but what was just asked for says why it fails',
    body = function(t)
      local outage = {}
      local first, second = pausing(outage), pausing(outage)
      first:due(first.turn, false)
      second:due(second.turn, false)
      t.equal(#first:failure(first.turn, missing), 2)
      t.equal(#second:failure(second.turn, missing), 1)
      local third = following.new(outage)
      third:start(false)
      t.equal(third:failure(1, missing), { { 'tell', missing } })
      -- Where there never was a service, there is none to wait for.
      t.equal(third.state, 'resting')
      t.equal(third:exit(lost), {})
      t.equal(third:begin(), { { 'ask', 3 } })
    end,
  },
  {
    name = 'following: what the service refuses is told, and asked for again only in another session',
    body = function(t)
      local machine = following.new()
      machine:start(true)
      t.equal(machine:failure(1, refusal), { { 'tell', refusal } })
      t.equal(machine.state, 'resting')
      t.equal(machine:exit(lost), {})
      t.equal(machine:begin(), { { 'ask', 3 } })
    end,
  },
  {
    name = 'following: a person who ends the session is told nothing, and no session is begun',
    body = function(t)
      for _, machine in ipairs({ stopped(), pausing(), followed() }) do
        local turn = machine.turn
        t.equal(machine:stop(), {})
        t.equal({ machine.state, machine.name }, { 'resting' })
        t.equal(machine:due(turn, false), {})
        t.equal(machine:exit(lost), {})
        t.equal(machine:stop(), {})
        t.equal(machine:event({ subscription = 'e1' }), {})
        t.equal(machine:begin(), { { 'ask', machine.turn } })
      end
      local asking = following.new()
      asking:start(false)
      t.equal(asking:stop(), {})
      t.equal(asking:failure(1, lost), {})
      t.equal(asking:answer(1, { subscription = 'e1' }), { { 'leave', 'e1' } })
      t.equal(asking.state, 'resting')
    end,
  },
  {
    name = 'following: an outage behind a stop is another one',
    body = function(t)
      local machine = pausing()
      machine:due(machine.turn, false)
      machine:failure(machine.turn, missing)
      machine:stop()
      machine:begin()
      machine:exit(lost)
      machine:due(machine.turn, false)
      t.equal(machine:failure(machine.turn, missing)[1], { 'tell', missing })
    end,
  },
  {
    name = 'following: a subscription that the service ends is told of once, until an event comes, and asked for again',
    body = function(t)
      local machine = followed()
      local params = { subscription = 'e1', error = { kind = 'internal', message = 'cannot follow', hint = 'again' } }
      t.equal(machine:ended({ subscription = 'e2', error = params.error }), {})
      t.equal(machine:ended(params), {
        { 'tell', { message = 'cannot follow', data = params.error } }, { 'wait', 3, following.first_pause },
      })
      t.equal({ machine.state, machine.name }, { 'pausing' })
      t.equal(machine:ended(params), {})
      t.equal(machine:due(3, true), { { 'ask', 4 } })
      machine:answer(4, { subscription = 'e1' })
      t.equal(machine:ended(params), { { 'wait', 6, 2 * following.first_pause } })
      machine:due(6, true)
      machine:answer(7, { subscription = 'e1' })
      machine:event({ subscription = 'e1' })
      t.equal(machine:ended(params)[2], { 'wait', 9, following.first_pause })
    end,
  },
  {
    name = 'following: who wants no more events leaves what is answered later',
    body = function(t)
      local machine = following.new()
      machine:start(true)
      t.equal(machine:finish(), {})
      t.equal(machine:answer(1, { subscription = 'e1' }), { { 'leave', 'e1' } })
      t.equal(machine:failure(1, lost), {})
      local waiting = pausing()
      t.equal(waiting:finish(), {})
      t.equal(waiting:due(3, false), {})
      for _, over in ipairs({ machine, waiting }) do
        for _, input in ipairs({ 'begin', 'exit', 'stop' }) do
          t.equal(over[input](over, lost), {})
          t.equal(over.state, 'over')
        end
      end
    end,
  },
}
