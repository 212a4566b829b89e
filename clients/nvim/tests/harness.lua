--- What the tests have, and what runs them; see run.lua. Answers a function that answers whether all have passed.
local following = require('coracle.following')
local report = require('coracle.report')
local session = require('coracle.session')

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local patience = 300000

--- What the tests have.
local context = { told = {}, here = here }

vim.notify = function(text)
  table.insert(context.told, text)
end

--- Waits for something and answers it; fails where it does not come.
function context.wait(what, condition)
  local found
  local came = vim.wait(patience, function()
    found = condition()
    return found
  end, 5)
  if not came then
    error(('%s did not come; told: %s'):format(what, vim.inspect(context.told)), 2)
  end
  return found
end

--- Calls a function with a callback and answers what that was called with.
function context.await(start)
  local answer
  start(function(err, result)
    answer = { err = err, result = result }
  end)
  context.wait('an answer', function()
    return answer
  end)
  return answer.err, answer.result
end

--- A request that must not fail.
function context.request(method, params)
  local err, result = context.await(function(callback)
    session.request(method, params, callback)
  end)
  assert(not err, err and err.message)
  return result
end

function context.lines(buffer)
  return vim.api.nvim_buf_get_lines(buffer or 0, 0, -1, false)
end

--- Waits for a line of a buffer that matches a pattern, and answers its number.
function context.line(pattern, buffer)
  return context.wait(pattern, function()
    for number, line in ipairs(context.lines(buffer)) do
      if line:find(pattern) then
        return number
      end
    end
  end)
end

--- Waits until something was told that matches a pattern.
function context.hear(pattern)
  return context.wait(pattern, function()
    for _, text in ipairs(context.told) do
      if text:find(pattern) then
        return text
      end
    end
  end)
end

function context.equal(found, expected)
  if not vim.deep_equal(found, expected) then
    error(('found %s instead of %s'):format(vim.inspect(found), vim.inspect(expected)), 2)
  end
end

--- A container that runs until it is removed.
function context.start(name, script)
  return context.request('container/run', {
    image = 'hello:1', name = name, command = { 'sh', '-c', script or 'exec sleep 1000' }, detach = true, initProcess = true,
  }).container
end

function context.remove(name)
  context.request('container/remove', { container = name, force = true })
end

--- The processes that this editor has started and that have not been waited for.
function context.processes()
  return vim.api.nvim_get_proc_children(vim.fn.getpid())
end

--- Does something that ends the service, and waits until that has been told.
local function until_over(word, action)
  local is_over = false
  local unlisten = session.listen(word, function()
    is_over = true
  end)
  action()
  context.wait('the end of the session', function()
    return is_over
  end)
  unlisten()
end

--- The service dies.
function context.kill()
  local processes = context.processes()
  context.equal(#processes, 1)
  until_over('exit', function()
    vim.loop.kill(processes[1], 'sigkill')
  end)
end

--- Ends the session as a person does, and waits until its process is gone.
function context.stop()
  vim.cmd('Coracle stop')
  context.wait('the end of all processes', function()
    return #context.processes() == 0
  end)
end

--- Makes a program the service that answers as told: the body of a Python function, see standin.py. Answers a function for
--- what its processes have heard.
function context.stand_in(body)
  local heard = vim.fn.tempname()
  vim.fn.writefile({}, heard)
  session.command = { 'python3', here .. '/standin.py', heard, body }
  --- The messages whose line begins with a word, all for nil.
  return function(word)
    return vim.tbl_filter(function(line)
      return vim.startswith(line, word or '')
    end, vim.fn.readfile(heard))
  end
end

--- Whether no process begins for far longer than the pause after which one would.
function context.stays_ended()
  return not vim.wait(10 * math.max(following.first_pause, 20), function()
    return #context.processes() > 0
  end, 5)
end

local finally = {}

--- Has a function run when the test is over, whatever becomes of it.
function context.finally(action)
  table.insert(finally, action)
end

-- What tests change, as it was.
local before = {
  command = session.command, repl = session.repl, path = vim.env.PATH, progress = report.progress, print = print,
  confirm = vim.fn.confirm, first_pause = following.first_pause,
}

-- Whether a test has spoken with the real service, so that there may be containers.
local has_spoken = false
session.listen('begin', function()
  has_spoken = has_spoken or session.command == before.command
end)

--- Leaves nothing of a test to the next one, whatever became of it.
local function clean_up()
  for _, action in ipairs(finally) do
    action()
  end
  finally = {}
  session.command, session.repl, vim.env.PATH = before.command, before.repl, before.path
  report.progress, print, vim.fn.confirm = before.progress, before.print, before.confirm
  following.first_pause = before.first_pause
  require('coracle.events').off()
  vim.cmd('silent! %bwipeout!')
  context.stop()
  if has_spoken then
    for _, container in ipairs(context.request('container/list', { all = true }).containers) do
      context.remove(container.id)
    end
    context.stop()
    has_spoken = false
  end
end

--- Runs a function, and answers whether it came to its end. What it fails with is written.
local function attempt(name, body)
  context.told = {}
  vim.v.errmsg = ''
  local succeeded, err = xpcall(function()
    body()
    -- Such as an error in a callback, which nobody else sees.
    context.equal(vim.v.errmsg, '')
  end, debug.traceback)
  if not succeeded then
    io.stdout:write(('FAIL %s\n%s\n'):format(name, err))
  end
  return succeeded
end

return function()
  local failed, passed = 0, 0
  for _, file in ipairs(vim.fn.sort(vim.fn.glob(here .. '/test_*.lua', true, true))) do
    for _, test in ipairs(dofile(file)) do
      local succeeded = attempt(test.name, function()
        test.body(context)
      end)
      local is_clean = attempt('what is left of: ' .. test.name, clean_up)
      if succeeded and is_clean then
        passed = passed + 1
        io.stdout:write(('ok   %s\n'):format(test.name))
      else
        failed = failed + 1
      end
    end
  end
  io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
  return failed == 0 and passed > 0
end
