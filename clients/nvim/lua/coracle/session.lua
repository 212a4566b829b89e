--- One session with `coracle serve`, by the RPC of Neovim's own language client. It begins with the first request.
local rpc = require('vim.lsp.rpc')

local M = {}

--- What starts the service, and what starts the REPL for a shell in a terminal; `setup` changes them.
M.command = { 'coracle', 'serve' }
M.repl = { 'coracle', 'repl' }

-- The code of a request that was cancelled.
local cancelled = -32800
-- The service that takes requests, or will, until it has been told that this is over.
local at_hand
-- Those that a person has ended and that have not gone.
local leaving = {}
local streams = {}
local listeners = {}
local last_stream = 0

--- Calls a function with the parameters of each notification of a method, and answers how to end that. Of the session itself
--- there are `begin`; `exit`, with an error, when the service of a session has ended by itself; and `stop`, when a person
--- wants none, whether or not there is one.
function M.listen(method, listener)
  listeners[method] = listeners[method] or {}
  table.insert(listeners[method], listener)
  return function()
    listeners[method] = vim.tbl_filter(function(other)
      return other ~= listener
    end, listeners[method])
  end
end

local function tell(method, params)
  for _, listener in ipairs(listeners[method] or {}) do
    listener(params)
  end
end

local function notice(method, params)
  if method == 'stream/data' and streams[params.stream] then
    streams[params.stream](params)
  elseif method == 'stream/closed' then
    streams[params.stream] = nil
  end
  tell(method, params)
end

local function kill(service)
  -- Neovim 0.8 has `terminate` and no handle.
  if service.rpc.terminate then
    service.rpc.terminate()
  elseif not service.rpc.handle:is_closing() then
    service.rpc.handle:kill('sigterm')
  end
end

--- Ends what is said with a service, for a reason: all who wait for an answer of it get that.
local function leave(service, err)
  if service.is_over then
    return
  end
  service.is_over = true
  if at_hand == service then
    at_hand = nil
  end
  for _, calls in ipairs({ service.waiting, vim.tbl_values(service.calls) }) do
    for _, call in ipairs(calls) do
      -- Each by itself, so that an error in one keeps no other from its answer.
      vim.schedule(function()
        call(err)
      end)
    end
  end
  service.waiting, service.calls = {}, {}
end

--- An error of what no service has taken, or ended upon; `data` is of the protocol's errors.
local function outage(message, code, data)
  return { message = message, code = code, data = data, is_outage = true }
end

--- The service has ended, or never began.
local function ended(service, err)
  local is_told = service.is_open and not service.is_over
  leave(service, err)
  if is_told then
    tell('exit', err)
  end
end

local function opened(service)
  if service.is_over or service.is_gone then
    return
  end
  service.rpc.notify('initialized', vim.empty_dict())
  service.is_open = true
  local calls = service.waiting
  service.waiting = {}
  for _, call in ipairs(calls) do
    local is_sent, err = pcall(call, nil, service)
    if not is_sent then
      -- What cannot be sent, which is its caller's, keeps no other from being sent.
      vim.schedule(function()
        error(err, 0)
      end)
    end
  end
  tell('begin')
end

local function dispatchers(service)
  return {
    notification = function(method, params)
      if not service.is_over then
        notice(method, params)
      end
    end,
    on_exit = function(code, signal)
      -- It takes nothing any more; all else comes behind what it has said.
      service.is_gone = true
      leaving[service] = nil
      local how = code == 0 and signal ~= 0 and ('by signal ' .. signal) or ('with status ' .. code)
      vim.schedule(function()
        ended(service, outage('the service has ended ' .. how))
      end)
    end,
    on_error = function(code, err)
      local errors = rpc.client_errors
      -- What it says cannot be understood: an answer may be lost. Else it is about one message, and that is whole.
      if code == errors.INVALID_SERVER_JSON or code == errors.READ_ERROR then
        ended(service, outage('the service does not speak the protocol: ' .. tostring(err)))
        kill(service)
      end
    end,
  }
end

--- Starts the service's process; nil where there is none, after which Neovim has said why.
local function spawn(service)
  if vim.fn.has('nvim-0.10') == 1 then
    local started, connection = pcall(rpc.start, M.command, dispatchers(service))
    return started and connection or nil
  end
  return rpc.start(M.command[1], vim.list_slice(M.command, 2), dispatchers(service))
end

local function start()
  local service = { waiting = {}, calls = {}, is_open = false, is_over = false }
  local function fail(reason)
    vim.schedule(function()
      ended(service, outage(reason))
    end)
    return service
  end
  -- Which the language client only tells by a message of its own.
  if vim.fn.executable(M.command[1]) == 0 then
    return fail('cannot find ' .. M.command[1] .. ' in PATH')
  end
  service.rpc = spawn(service)
  if not service.rpc then
    return fail('cannot start ' .. M.command[1])
  end
  -- Without the editor's process: behind ssh it would be one of another machine. The end of the input will do.
  local params = { processId = vim.NIL, clientInfo = { name = 'Neovim' } }
  service.rpc.request('initialize', params, function(err)
    if err then
      leave(service, outage(err.message, err.code, err.data))
      kill(service)
    else
      opened(service)
    end
  end)
  return service
end

--- Calls back with the service, once it takes requests, or with why there is none.
local function open(callback)
  if at_hand and at_hand.is_gone then
    -- Its end is about to be told; this is for the next one.
    return vim.schedule(function()
      open(callback)
    end)
  elseif M.is_open() then
    return callback(nil, at_hand)
  end
  at_hand = at_hand or start()
  table.insert(at_hand.waiting, callback)
end

--- Whether there is a session that takes requests.
function M.is_open()
  return at_hand ~= nil and at_hand.is_open
end

--- Sends a request to a service, whose end answers it as well.
local function send(service, method, params, callback)
  local call, is_answered = {}, false
  local function answer(err, result)
    if not is_answered then
      is_answered = true
      service.calls[call] = nil
      callback(err, result)
    end
  end
  service.calls[call] = answer
  local sent, id = service.rpc.request(method, params, answer, function()
    -- Neovim keeps answers to cancelled requests to itself, but not that there was one. All others come before this.
    vim.schedule(function()
      answer({ code = cancelled, message = method .. ' was cancelled' })
    end)
  end)
  if not sent then
    vim.schedule(function()
      answer(outage('the service has ended'))
    end)
  end
  return id
end

--- Sends a request and calls back, never before this returns, with its error or its result. Answers a table with `cancel`; a
--- cancelled request calls back, with an error whose code is -32800, when its work has stopped.
function M.request(method, params, callback)
  local call = { is_cancelled = false }
  open(function(err, service)
    if err then
      return callback(err)
    end
    if call.is_cancelled then
      return vim.schedule(function()
        callback({ code = cancelled, message = method .. ' was cancelled' })
      end)
    end
    call.service, call.id = service, send(service, method, params, callback)
  end)
  function call.cancel()
    call.is_cancelled = true
    if call.id and not call.service.is_over then
      call.service.rpc.notify('$/cancelRequest', { id = call.id })
    end
  end
  return call
end

--- Sends a request whose answer nobody needs, where there is a session.
function M.post(method, params)
  if M.is_open() then
    send(at_hand, method, params, function() end)
  end
end

--- Says something to the service, where there is a session.
function M.notify(method, params)
  if M.is_open() then
    at_hand.rpc.notify(method, params)
  end
end

--- Registers a stream of the service's, and answers its name. What comes on it is given to a function, until it is closed.
function M.open_stream(take)
  last_stream = last_stream + 1
  local name = 'nvim' .. last_stream
  streams[name] = take
  return name
end

function M.close_stream(name)
  streams[name] = nil
end

--- Ends the session: whoever waits for an answer is told so at once, and what is asked for next is of another one. A second time
--- it kills a service that has not gone.
function M.stop()
  for service in pairs(leaving) do
    kill(service)
  end
  local service = at_hand
  if service then
    leave(service, outage('the session was ended'))
    if service.rpc and not service.is_gone then
      leaving[service] = true
    end
    if service.is_open then
      service.rpc.request('shutdown', vim.empty_dict(), function(err)
        if err then
          kill(service)
        else
          service.rpc.notify('exit', vim.empty_dict())
        end
      end)
    elseif service.rpc then
      kill(service)
    end
  end
  tell('stop')
end

return M
