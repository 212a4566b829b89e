--- One session with `coracle serve`, by Neovim's own language client. It begins with the first request.
local M = {}

--- What starts the service, and what starts the REPL for a shell in a terminal; `setup` changes them.
M.command = { 'coracle', 'serve' }
M.repl = { 'coracle', 'repl' }

local client_id
local methods = {}
local waiting = {}
local streams = {}
local listeners = {}
local last_stream = 0

--- Calls a function with the parameters of each notification of a method, and answers how to end that.
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

local function dispatch(method)
  return function(_, params)
    if method == 'stream/data' then
      local stream = streams[params.stream]
      if stream then
        stream.take(params)
      end
    elseif method == 'stream/closed' then
      local stream = streams[params.stream]
      streams[params.stream] = nil
      if stream then
        stream.close(params.error)
      end
    end
    tell(method, params)
  end
end

local function handlers()
  local found = {}
  for _, method in ipairs({
    '$/progress', 'task/started', 'task/progressed', 'task/finished', 'event/occurred', 'event/ended',
    'container/running', 'stream/data', 'stream/closed',
  }) do
    found[method] = dispatch(method)
  end
  return found
end

local function answer_waiting(err, client)
  local calls = waiting
  waiting = {}
  for _, call in ipairs(calls) do
    call(err, client)
  end
end

local function connect(callback)
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  if client and client.initialized then
    return callback(nil, client)
  end
  table.insert(waiting, callback)
  if #waiting > 1 then
    return
  end
  -- Which the language client only tells by a message of its own.
  if vim.fn.executable(M.command[1]) == 0 then
    return answer_waiting({ message = 'cannot find ' .. M.command[1] .. ' in PATH' })
  end
  client_id = vim.lsp.start_client({
    name = 'coracle',
    cmd = M.command,
    handlers = handlers(),
    before_init = function(params)
      -- Behind ssh it would be a process of another machine; the end of the input will do.
      params.processId = vim.NIL
      params.capabilities = vim.empty_dict()
    end,
    on_init = function(started, result)
      methods = {}
      for _, method in ipairs(result.capabilities.methods) do
        methods[method] = true
      end
      answer_waiting(nil, started)
    end,
    on_exit = vim.schedule_wrap(function(code)
      client_id = nil
      local err = { message = 'the service has ended with status ' .. code }
      for name, stream in pairs(streams) do
        streams[name] = nil
        stream.close(err)
      end
      answer_waiting(err)
      tell('exit', err)
    end),
    on_error = function(_, err)
      answer_waiting({ message = tostring(err) })
    end,
  })
end

--- Sends a request and calls back with its error or its result. Answers a table with `cancel`; a cancelled request calls
--- back, with an error whose code is -32800, when its work has stopped.
function M.request(method, params, callback)
  local call = { is_cancelled = false }
  connect(function(err, client)
    if err then
      return callback(err)
    end
    if call.is_cancelled then
      return callback({ code = -32800, message = method .. ' was cancelled' })
    end
    local unlisten
    local function answer(failure, result)
      if unlisten then
        unlisten()
        unlisten = nil
        callback(failure, result)
      end
    end
    unlisten = M.listen('exit', answer)
    local sent, id = client.rpc.request(method, params, answer, function()
      -- Neovim keeps answers to cancelled requests to itself, but not that there was one.
      if call.is_cancelled then
        answer({ code = -32800, message = method .. ' was cancelled' })
      end
    end)
    if not sent then
      return answer({ message = 'the service has ended' })
    end
    call.id = id
  end)
  function call.cancel()
    call.is_cancelled = true
    if call.id then
      M.notify('$/cancelRequest', { id = call.id })
    end
  end
  return call
end

function M.notify(method, params)
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  if client then
    client.rpc.notify(method, params)
  end
end

--- Whether the service has a method; of a session that is open.
function M.has(method)
  return methods[method] == true
end

--- Registers a stream of the service's and answers its name.
function M.open_stream(stream)
  last_stream = last_stream + 1
  local name = 'nvim' .. last_stream
  streams[name] = stream
  return name
end

--- Ends the session.
function M.stop()
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  if client then
    client.stop()
  end
end

return M
