-- What happens once in a hundred runs of a real service happens each time with one that does as it is told.
local session = require('coracle.session')
local following = require('coracle.following')
local rpc = require('vim.lsp.rpc')
local start = rpc.start

--- Follows events with short pauses, and answers what the first answer was.
local function follow(t)
  following.first_pause = 10
  return t.await(function(callback)
    require('coracle.events').on({ 'container.' }, callback)
  end)
end

--- A call of Python's that sends an event of the subscription e1.
local function event(cursor)
  return ([[send(method="event/occurred", params={"subscription": "e1", "cursor": "%s", "kind": "container.created",
    "subject": "s", "attributes": {"name": "%s"}})]]):format(cursor, cursor)
end

--- Answers event/subscribe, and says that an event has occurred.
local answering = [[
send(id=id, result={"subscription": "e1", "cursor": "c%d" % start})
]] .. event('later')

--- Services without processes, in the order in which they begin: `requests`, each with `answer`, `say` and `die`. They are begun
--- as the editor does that, or with `is_new` as Neovim 0.10 and later, or as those before it.
local function pretended(t, is_new)
  local services = {}
  if is_new == nil then
    is_new = vim.fn.has('nvim-0.10') == 1
  end
  t.finally(function()
    rpc.start = start
  end)
  session.command = { 'true' }
  rpc.start = function(command, ...)
    assert(type(command) == (is_new and 'table' or 'string'), 'cmd: expected the other')
    assert(is_new or vim.deep_equal((...), vim.list_slice(session.command, 2)), 'cmd_args: expected a list')
    local service, dispatchers = { requests = {} }, select(is_new and 1 or 2, ...)
    service.say = dispatchers.notification
    function service.die()
      service.is_gone = true
      dispatchers.on_exit(0, 9)
    end
    table.insert(services, service)
    return {
      request = function(method, params, callback)
        if service.is_gone then
          return false
        end
        table.insert(service.requests, { method = method, params = params, answer = vim.schedule_wrap(callback) })
        return true, #service.requests
      end,
      notify = function()
        return not service.is_gone
      end,
      terminate = service.die,
    }
  end
  --- Waits for a request, by the numbers of its service and its own, and answers it.
  return services, function(service, number, method, result)
    t.wait(method, function()
      return services[service] and services[service].requests[number]
    end)
    local request = services[service].requests[number]
    t.equal(request.method, method)
    request.answer(nil, result or vim.empty_dict())
    return request.params
  end
end

return {
  {
    name = 'a service is begun as each version of Neovim wants that, and one that cannot be is told of',
    body = function(t)
      local has = vim.fn.has
      t.finally(function()
        vim.fn.has = has
      end)
      for _, minor in ipairs({ 7, 9, 10, 11 }) do
        vim.fn.has = function(feature)
          local wanted = feature:match('^nvim%-0%.(%d+)$')
          return wanted and (tonumber(wanted) <= minor and 1 or 0) or has(feature)
        end
        local services, answer = pretended(t, minor >= 10)
        local err, result = nil, nil
        session.command = { 'true', 'with', 'arguments' }
        session.request('system/ping', vim.empty_dict(), function(...)
          err, result = ...
        end)
        answer(1, 1, 'initialize')
        answer(1, 2, 'system/ping', { at = minor })
        t.wait('the answer', function()
          return result
        end)
        t.equal({ err, result }, { nil, { at = minor } })
        session.stop()
        answer(1, 3, 'shutdown')
        services[1].die()
        rpc.start = function()
          if minor >= 10 then
            error('Spawning language server failed')
          end
        end
        t.equal(t.await(function(callback)
          session.request('system/ping', vim.empty_dict(), callback)
        end).message, 'cannot start true')
      end
    end,
  },
  {
    name = 'between the end of a service and its being told, nothing is of it, and nothing of the next one is taken for it',
    body = function(t)
      local services, answer = pretended(t)
      local events = require('coracle.events')
      events.on({ 'container.' })
      answer(1, 1, 'initialize')
      answer(1, 2, 'event/subscribe', { subscription = 'e1', cursor = 'c' })
      t.wait('that it follows', function()
        return events.cursor
      end)
      local pong
      services[1].die()
      events.on({ 'image.' })
      session.request('system/ping', vim.empty_dict(), function(err)
        pong = { err }
      end)
      answer(2, 1, 'initialize')
      answer(2, 2, 'event/subscribe', { subscription = 'e1', cursor = 'c' })
      answer(2, 3, 'system/ping')
      -- The first one was asked for in the service that has ended, as far as was known.
      answer(2, 4, 'event/subscribe', { subscription = 'e2', cursor = 'c' })
      t.equal(answer(2, 5, 'event/unsubscribe'), { subscription = 'e1' })
      t.equal(pong, {})
      events.off()
      t.equal(answer(2, 6, 'event/unsubscribe'), { subscription = 'e2' })
      t.equal(#services, 2)
      t.equal(t.told, {})
      session.stop()
      answer(2, 7, 'shutdown')
      services[2].die()
    end,
  },
  {
    name = 'what a session that was ended still says is not heard',
    body = function(t)
      local services, answer = pretended(t)
      local events = require('coracle.events')
      local function occur(service, name)
        services[service].say('event/occurred', {
          subscription = 'e1', cursor = name, kind = 'container.created', subject = 's', attributes = { name = name },
        })
      end
      events.on({ 'container.' })
      answer(1, 1, 'initialize')
      answer(1, 2, 'event/subscribe', { subscription = 'e1', cursor = 'first' })
      t.wait('that it follows', function()
        return events.cursor == 'first'
      end)
      session.stop()
      session.request('system/ping', vim.empty_dict(), function() end)
      answer(2, 1, 'initialize')
      answer(2, 2, 'system/ping')
      t.equal(answer(2, 3, 'event/subscribe', { subscription = 'e1', cursor = 'second' }).after, 'first')
      t.wait('that it follows', function()
        return events.cursor == 'second'
      end)
      occur(1, 'old')
      occur(2, 'new')
      t.equal(t.told, { 'new: created' })
      answer(1, 3, 'shutdown')
      services[1].die()
      session.stop()
      services[2].die()
    end,
  },
  {
    name = 'a service that dies while it is asked for events is not told of, and the next one is asked',
    body = function(t)
      local heard = t.stand_in([[
if method == "event/subscribe":
    if start == 1:
        die(-9)
    ]] .. answering:gsub('\n', '\n    ') .. [[

    return True
]])
      t.request('system/ping', vim.empty_dict())
      t.equal(follow(t), nil)
      t.hear('^later: created$')
      t.equal(t.told, { 'later: created' })
      t.equal(#heard('start'), 2)
    end,
  },
  {
    name = 'an outage is told of once, also where the list and events follow, and so is the next one',
    body = function(t)
      local heard = t.stand_in([[
if method == "initialize" and start in (2, 3, 4, 5, 7, 8):
    die(255)
]])
      t.equal(follow(t), nil)
      vim.cmd('Coracle list')
      t.line('^NAME ')
      local function have_both(last, sessions)
        t.wait('both subscriptions', function()
          return #heard('start') == last and #heard('event/subscribe') == 2 * sessions
        end)
      end
      have_both(1, 1)
      for index, last in ipairs({ 6, 9 }) do
        t.told = {}
        t.kill()
        have_both(last, index + 1)
        -- It answers in turn, and the outage is over with the answers.
        t.request('system/ping', vim.empty_dict())
        t.equal(t.told, { 'the service has ended with status 255' })
      end
    end,
  },
  {
    name = 'a service that was never there is told of, and not asked for again before a session begins',
    body = function(t)
      local heard = t.stand_in([[
if method == "initialize" and start == 1:
    die(7)
]])
      t.equal(follow(t).message, 'the service has ended with status 7')
      t.equal(t.stays_ended(), true)
      t.equal(t.told, { 'the service has ended with status 7' })
      t.request('system/ping', vim.empty_dict())
      t.wait('a subscription', function()
        return #heard('event/subscribe') == 1
      end)
    end,
  },
  {
    name = 'a subscription that the service ends is told of, and asked for again from its last event on',
    body = function(t)
      local heard = t.stand_in([[
if method == "event/subscribe":
    asked = globals()["asked"] = globals().get("asked", 0) + 1
    send(id=id, result={"subscription": "e%d" % asked, "cursor": "beginning"})
    if asked == 1:
        ]] .. event('one') .. [[

        send(method="event/ended", params={"subscription": "e1", "error": {"kind": "internal", "causes": [],
            "message": "cannot follow the journal", "hint": "subscribe again", "retriable": True}})
        ]] .. event('stale') .. [[

    return True
]])
      t.equal(follow(t), nil)
      t.wait('two subscriptions', function()
        return #heard('event/subscribe') == 2
      end)
      t.equal(t.told, { 'one: created', 'cannot follow the journal\nhint: subscribe again' })
      t.equal(heard('event/subscribe')[2], 'event/subscribe {"after": "one", "kinds": ["container."]}')
      t.equal(#heard('start'), 1)
      require('coracle.events').off()
      t.wait('its end', function()
        return heard('event/unsubscribe')[1] == 'event/unsubscribe {"subscription": "e2"}'
      end)
    end,
  },
  {
    name = 'what a service refuses is told with its reason and hint, and asked for again only in another session',
    body = function(t)
      local heard = t.stand_in([[
if method == "event/subscribe":
    send(id=id, error={"code": -32602, "message": "no such kind", "data": {"kind": "invalidArgument", "hint": "look"}})
    return True
]])
      t.equal(follow(t).message, 'no such kind')
      t.equal(t.told, { 'no such kind\nhint: look' })
      t.kill()
      t.equal(t.stays_ended(), true)
      t.request('system/ping', vim.empty_dict())
      t.wait('a second time', function()
        return #heard('event/subscribe') == 2
      end)
    end,
  },
  {
    name = 'a session that cannot be opened says why; where there was one, it is asked for until it can',
    body = function(t)
      local refusing = [[
if method == "initialize" and start in (%s):
    send(id=id, error={"code": -32000, "message": "cannot open the store",
        "data": {"kind": "permissionDenied", "causes": ["mkdir /x"], "hint": "name another"}})
    return True
]]
      local sentence = 'cannot open the store: mkdir /x\nhint: name another'
      local heard = t.stand_in(refusing:format('2, 3'))
      t.equal(follow(t), nil)
      t.kill()
      t.wait('a second subscription', function()
        return #heard('event/subscribe') == 2
      end)
      t.equal(t.told, { sentence })
      t.stop()
      t.told = {}
      t.stand_in(refusing:format('1, 2'))
      vim.cmd('Coracle run hello:1 true')
      t.line('^cannot open the store: mkdir /x$')
      t.line('^hint: name another$')
      vim.cmd('Coracle pull hello:1')
      t.hear('^cannot open the store')
      t.equal(t.told, { sentence })
    end,
  },
  {
    name = 'a person ends a session in which events are asked for: nothing is told, and none begins',
    body = function(t)
      local heard = t.stand_in([[
return method == "event/subscribe" and start == 1
]])
      t.request('system/ping', vim.empty_dict())
      following.first_pause = 10
      require('coracle.events').on({ 'container.' })
      t.wait('what it asks', function()
        return #heard('event/subscribe') == 1
      end)
      t.stop()
      t.equal(t.stays_ended(), true)
      t.equal(t.told, {})
      -- What is asked for next is of another session, in which events go on.
      t.request('system/ping', vim.empty_dict())
      t.wait('that it asks again', function()
        return #heard('event/subscribe') == 2
      end)
      t.equal(#heard('exit'), 1)
    end,
  },
  {
    name = 'a person ends an outage',
    body = function(t)
      local heard = t.stand_in([[
if start > 1:
    die(255)
]])
      t.equal(follow(t), nil)
      t.kill()
      t.wait('three attempts', function()
        return #heard('start') >= 3
      end)
      t.stop()
      local before = #heard('start')
      t.equal(t.stays_ended(), true)
      t.equal(#heard('start'), before)
      t.equal(t.told, { 'the service has ended with status 255' })
    end,
  },
  {
    name = 'who leaves while events are asked for is not followed on',
    body = function(t)
      local heard = t.stand_in([[
if method == "event/subscribe":
    globals()["asked"] = id
    return True
if method == "test/answer":
    send(id=globals()["asked"], result={"subscription": "e1", "cursor": "c"})
]])
      t.request('system/ping', vim.empty_dict())
      require('coracle.events').on({ 'container.' })
      require('coracle.events').off()
      t.request('test/answer', vim.empty_dict())
      t.wait('its end', function()
        return #heard('event/unsubscribe') == 1
      end)
    end,
  },
  {
    name = 'what is asked for right behind the end of a session is of the next one, and what was under way is answered',
    body = function(t)
      local heard = t.stand_in([[
return method == "test/never" or method == "shutdown" and start == 1
]])
      local answer
      session.request('test/never', vim.empty_dict(), function(err)
        answer = err
      end)
      t.request('system/ping', vim.empty_dict())
      session.stop()
      t.equal(answer, nil)
      t.request('system/ping', vim.empty_dict())
      t.equal(answer.message, 'the session was ended')
      t.equal(#heard('start'), 2)
      -- The first does not go by itself.
      t.equal(#t.processes(), 2)
      t.stop()
    end,
  },
  {
    name = 'a service that does not answer at all goes when a person ends the session',
    body = function(t)
      local heard = t.stand_in([[
return True
]])
      local answer
      session.request('system/ping', vim.empty_dict(), function(err)
        answer = err
      end)
      t.wait('what it hears', function()
        return #heard('initialize') == 1
      end)
      t.stop()
      t.equal(answer.message, 'the session was ended')
      t.equal(t.told, {})
    end,
  },
  {
    name = 'a service that cancels by itself, or says what nobody understands, leaves nobody waiting',
    body = function(t)
      local heard = t.stand_in([[
if method == "test/cancelled":
    send(id=id, error={"code": -32800, "message": "cancelled"})
    return True
if method == "test/nonsense":
    import sys
    sys.stdout.write("Content-Length: 3\r\n\r\n{x}")
    sys.stdout.flush()
    return True
]])
      local function fails(method)
        return t.await(function(callback)
          session.request(method, vim.empty_dict(), callback)
        end)
      end
      t.equal(fails('test/cancelled').code, -32800)
      t.equal(fails('test/nonsense').message:find('^the service does not speak the protocol') ~= nil, true)
      t.request('system/ping', vim.empty_dict())
      t.equal(#heard('start'), 2)
    end,
  },
  {
    name = 'a program that is not there, or cannot be started, is told of in the buffer, and once',
    body = function(t)
      local broken = vim.fn.tempname()
      vim.fn.writefile({ '#!/no/interpreter' }, broken)
      vim.fn.setfperm(broken, 'rwxr-xr-x')
      local sentences = { ['/no/coracle'] = 'cannot find /no/coracle in PATH', [broken] = 'cannot start ' .. broken }
      for command, sentence in pairs(sentences) do
        require('coracle').setup({ command = { command, 'serve' } })
        for _, words in ipairs({ 'run hello:1 true', 'logs web' }) do
          vim.cmd('Coracle ' .. words)
          t.line('^' .. vim.pesc(sentence) .. '$')
          vim.cmd('bwipeout')
        end
        t.told = {}
        vim.cmd('Coracle pull hello:1')
        t.hear('^' .. vim.pesc(sentence) .. '$')
        t.equal(#vim.tbl_filter(function(text)
          return not text:find('^Spawning language server')
        end, t.told), 1)
      end
    end,
  },
  {
    name = 'what has been refused leaves no streams behind',
    body = function(t)
      local opened, open, closed, close = {}, session.open_stream, {}, session.close_stream
      session.open_stream = function(take)
        table.insert(opened, open(take))
        return opened[#opened]
      end
      session.close_stream = function(name)
        table.insert(closed, name)
        close(name)
      end
      t.finally(function()
        session.open_stream, session.close_stream = open, close
      end)
      local err = t.await(function(callback)
        require('coracle.output').run('missing:1', { 'true' }, callback)
      end)
      t.equal(err.data.kind, 'notFound')
      t.equal(#opened, 2)
      t.equal(closed, opened)
    end,
  },
}
