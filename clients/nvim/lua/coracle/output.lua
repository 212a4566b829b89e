--- Buffers that show what containers write.
local report = require('coracle.report')
local session = require('coracle.session')
local stream = require('coracle.stream')

local M = {}

--- A new buffer in a window of its own, which is not for writing.
local function open(name)
  vim.cmd('botright new')
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].bufhidden = 'wipe'
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].modifiable = false
  -- Two buffers of one name there cannot be, but two looks at one container.
  if not pcall(vim.api.nvim_buf_set_name, buffer, name) then
    vim.api.nvim_buf_set_name(buffer, name .. '#' .. buffer)
  end
  return buffer
end

--- Puts text at the end of a buffer; windows that show its end go on to do so.
local function append(buffer, text)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local last = vim.api.nvim_buf_line_count(buffer)
  local following = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] == last
  end, vim.fn.win_findbuf(buffer))
  local lines = vim.split(text:gsub('\r', ''):gsub('%z', '␀'), '\n', { plain = true })
  local rest = vim.api.nvim_buf_get_lines(buffer, last - 1, last, false)[1]
  lines[1] = rest .. lines[1]
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, last - 1, last, false, lines)
  vim.bo[buffer].modifiable = false
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  end
end

--- Sends a request that has output, and shows that in a new buffer. When the buffer goes, the request is cancelled.
--- `attach` puts the streams where the request has them, `streams` when nil.
function M.show(name, method, params, callback, attach)
  local buffer = open(name)
  local streams = stream.output(function(bytes)
    append(buffer, bytes)
  end)
  if attach then
    attach(params, streams)
  else
    params.streams = streams
  end
  local call
  call = session.request(method, params, function(err, result)
    call.is_done = true
    stream.forget(streams)
    if err and err.code ~= -32800 then
      append(buffer, report.sentence(err))
    elseif result and result.exit then
      append(buffer, ('[exit code %d]'):format(result.exit.code))
    end
    if callback then
      callback(err, result)
    end
  end)
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    once = true,
    callback = function()
      if not call.is_done then
        call.cancel()
      end
    end,
  })
  return buffer, call
end

--- What a container has written and writes.
function M.logs(container, callback)
  return M.show('coracle://logs/' .. container, 'container/logs', { container = container, follow = true }, callback)
end

--- Runs a container and shows what it writes. Closing the buffer stops it, and so does the end of the editor, whatever ends that.
function M.run(image, command, callback)
  local params = { image = image, autoRemove = true, initProcess = true, lifetime = 'session' }
  if command and #command > 0 then
    params.command = command
  end
  return M.show('coracle://run/' .. image, 'container/run', params, callback)
end

return M
