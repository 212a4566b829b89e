--- Runs all tests in the editor at hand, which is to be headless:
---
---     nvim --headless -u NONE -i NONE --cmd 'set rtp^=clients/nvim' -S clients/nvim/tests/run.lua
---
--- `coracle` is found in PATH, and CORACLE_STORE names a store with the image hello:1. Ends with status 1 where a test failed.
local here = vim.fn.fnamemodify(vim.fn.expand('<sfile>:p'), ':h')
local patience = 60000

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
    require('coracle.session').request(method, params, callback)
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

local failed, passed = 0, 0
for _, file in ipairs(vim.fn.sort(vim.fn.glob(here .. '/test_*.lua', true, true))) do
  for _, test in ipairs(dofile(file)) do
    context.told = {}
    local succeeded, err = xpcall(function()
      test.body(context)
    end, debug.traceback)
    passed, failed = passed + (succeeded and 1 or 0), failed + (succeeded and 0 or 1)
    io.stdout:write(('%s %s\n'):format(succeeded and 'ok  ' or 'FAIL', test.name))
    if not succeeded then
      io.stdout:write(err .. '\n')
    end
    vim.cmd('silent! %bwipeout!')
  end
end
io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
require('coracle.session').stop()
vim.cmd(failed == 0 and passed > 0 and 'qall!' or 'cquit! 1')
