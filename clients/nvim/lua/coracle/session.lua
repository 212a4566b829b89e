--- One session with `coracle serve`, by Neovim's own language client. It begins with the first request.
local M = {}

--- What starts the service, and what starts the REPL for a shell in a terminal; `setup` changes them.
M.command = { 'coracle', 'serve' }
M.repl = { 'coracle', 'repl' }

local client_id
local is_stopping = false
-- Whether the service at hand, or the last one, has taken requests.
local was_open = false
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
  -- Neovim's own is for statuslines that show what language servers do.
  local own = vim.lsp.handlers[method]
  return function(err, params, context, config)
    if own then
      own(err, params, context, config)
    end
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

local function take_waiting()
  local calls = waiting
  waiting = {}
  return calls
end

local function answer_waiting(err, client)
  for _, call in ipairs(take_waiting()) do
    call(err, client)
  end
end

local function current()
  return client_id and vim.lsp.get_client_by_id(client_id)
end

--- Keeps back Neovim's own notification of an ending, which comes in the next turn of its loop: whoever waits for the service
--- is told with the words of this one.
local function hush()
  local notify = vim.notify
  local function filtered(text, ...)
    if not tostring(text):find('^Client .* quit with exit code') then
      return notify(text, ...)
    end
  end
  vim.notify = filtered
  vim.schedule(function()
    vim.schedule(function()
      if vim.notify == filtered then
        vim.notify = notify
      end
    end)
  end)
end

local start

local function ended(code, signal, lost)
  client_id = nil
  local how = code == 0 and signal ~= 0 and ('by signal ' .. signal) or ('with status ' .. code)
  local err = { message = 'the service has ended ' .. how, is_deliberate = is_stopping, was_open = was_open }
  for name, stream in pairs(streams) do
    streams[name] = nil
    stream.close(err)
  end
  is_stopping = false
  for _, call in ipairs(lost) do
    call(err)
  end
  tell('exit', err)
  -- Those who came since are for the next one.
  if #waiting > 0 and not client_id then
    start()
  end
end

function start()
  -- Which the language client only tells by a message of its own.
  if vim.fn.executable(M.command[1]) == 0 then
    return vim.schedule(function()
      answer_waiting({ message = 'cannot find ' .. M.command[1] .. ' in PATH' })
    end)
  end
  was_open = false
  client_id = vim.lsp.start_client({
    name = 'coracle',
    cmd = M.command,
    handlers = handlers(),
    before_init = function(params)
      -- Behind ssh it would be a process of another machine; the end of the input will do.
      params.processId = vim.NIL
      params.capabilities = vim.empty_dict()
    end,
    on_init = function(started)
      was_open = true
      -- Only behind this does Neovim find it by its id.
      vim.schedule(function()
        answer_waiting(nil, started)
        tell('begin')
      end)
    end,
    on_exit = function(code, signal)
      hush()
      local lost = is_stopping and {} or take_waiting()
      vim.schedule(function()
        ended(code, signal, lost)
      end)
    end,
    on_error = function(_, err)
      answer_waiting({ message = tostring(err) })
    end,
  })
  if not client_id then
    vim.schedule(function()
      answer_waiting({ message = 'cannot start ' .. M.command[1] })
    end)
  end
end

--- Whether there is a session that takes requests.
function M.is_open()
  local client = current()
  return client ~= nil and client.initialized == true and not is_stopping
end

local function connect(callback)
  if M.is_open() then
    return callback(nil, current())
  end
  table.insert(waiting, callback)
  -- Else one begins, or ends and is followed by another.
  if #waiting == 1 and not client_id then
    start()
  end
end

--- Sends a request and calls back, never before this returns, with its error or its result. Answers a table with `cancel`; a cancelled request calls
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
      return vim.schedule(function()
        answer({ message = 'the service has ended' })
      end)
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
  local client = current()
  if client then
    client.rpc.notify(method, params)
  end
end

--- Registers a stream of the service's and answers its name.
function M.open_stream(stream)
  last_stream = last_stream + 1
  local name = 'nvim' .. last_stream
  streams[name] = stream
  return name
end

--- Ends the session, or keeps the next one from being begun by whoever follows events. A second time while that has not been
--- done, it kills the service.
function M.stop()
  local client = current()
  local stopped = { message = 'the session was ended', is_deliberate = true }
  if client then
    if not is_stopping then
      answer_waiting(stopped)
    end
    client.stop(is_stopping)
    is_stopping = true
  else
    tell('exit', stopped)
  end
end

return M
