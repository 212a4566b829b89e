--- The list of containers: a buffer that is kept up to date, with an action on each key.
local output = require('coracle.output')
local report = require('coracle.report')
local session = require('coracle.session')
local subscription = require('coracle.subscription')

local M = {}
local name = 'coracle://containers'
local header = 'enter logs  s start  S stop  d remove  e shell  r refresh  q close'
--- By line, what is shown.
local shown = {}
local buffer

local function table_lines(containers)
  local rows = { { 'NAME', 'STATE', 'IMAGE', 'COMMAND' } }
  for _, container in ipairs(containers) do
    local state = container.health and (container.state .. ', ' .. container.health) or container.state
    if container.state == 'exited' and container.exit then
      state = ('exited (%d)'):format(container.exit.code)
    end
    local command = table.concat(container.command, ' '):gsub('%s+', ' ')
    rows[#rows + 1] = { container.name, state, container.image, command }
  end
  local widths = { 0, 0, 0 }
  for _, row in ipairs(rows) do
    for column, width in ipairs(widths) do
      widths[column] = math.max(width, vim.fn.strdisplaywidth(row[column]))
    end
  end
  return vim.tbl_map(function(row)
    local text = ''
    for column, width in ipairs(widths) do
      text = text .. row[column] .. (' '):rep(width - vim.fn.strdisplaywidth(row[column]) + 2)
    end
    return text .. row[4]
  end, rows)
end

--- Reads the list anew, and calls back with an error or nil.
local function read(callback)
  session.request('container/list', { all = true }, function(err, result)
    if not err and buffer and vim.api.nvim_buf_is_valid(buffer) then
      local lines = table_lines(result.containers)
      table.insert(lines, 1, header)
      shown = { [1] = false, [2] = false }
      for index, container in ipairs(result.containers) do
        shown[index + 2] = container
      end
      vim.bo[buffer].modifiable = true
      vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
      vim.bo[buffer].modifiable = false
    end
    callback(err)
  end)
end

--- What a person asks for is answered in any case.
local function refresh()
  read(function(err)
    if err then
      report.error(err)
    end
  end)
end

local function selected()
  local container = shown[vim.api.nvim_win_get_cursor(0)[1]]
  if not container then
    report.warn('no container on this line')
  end
  return container
end

--- Sends a request about the container on the line. The list changes by the event that it makes.
local function act(method, params)
  return function()
    local container = selected()
    if container then
      session.request(method, vim.tbl_extend('error', { container = container.id }, params or {}), function(err)
        if err then
          report.error(err)
        end
      end)
    end
  end
end

local function remove()
  local container = selected()
  if not container then
    return
  end
  local is_running = container.state ~= 'exited' and container.state ~= 'created'
  local question = is_running and ('kill and remove %s?'):format(container.name) or ('remove %s?'):format(container.name)
  if vim.fn.confirm(question, '&yes\n&no', 2) == 1 then
    act('container/remove', { force = is_running })()
  end
end

--- A shell in a container, in a terminal.
function M.shell(container, shell)
  vim.cmd('botright new')
  local command = vim.list_extend({}, session.repl)
  vim.list_extend(command, { '-c', ('exec -it %s %s'):format(container, shell or 'sh') })
  local job = vim.fn.termopen(command)
  vim.cmd('startinsert')
  return job
end

local function map(key, action, description)
  vim.keymap.set('n', key, action, { buffer = buffer, nowait = true, desc = description })
end

local function with_name(action)
  return function()
    local container = selected()
    if container then
      action(container.name)
    end
  end
end

--- Subscribes to what changes containers, for as long as the buffer is there.
local function follow()
  local function renew()
    read(function(err)
      -- Whoever follows is told of an outage, where it is one, and reads the list again when that is over.
      if err and not err.is_outage then
        report.error(err)
      end
    end)
  end
  local unfollow = subscription.follow(function()
    return { kinds = { 'container.' } }
  end, renew, function(err)
    if err then
      report.error(err)
    else
      renew()
    end
  end)
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    once = true,
    callback = function()
      buffer = nil
      unfollow()
    end,
  })
end

--- Shows the list.
function M.open()
  if buffer and vim.api.nvim_buf_is_valid(buffer) then
    local windows = vim.fn.win_findbuf(buffer)
    if #windows > 0 then
      vim.api.nvim_set_current_win(windows[1])
    else
      vim.cmd('botright sbuffer ' .. buffer)
    end
    return refresh()
  end
  vim.cmd('botright new')
  buffer = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_name(buffer, name)
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].bufhidden = 'wipe'
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = 'coracle'
  vim.wo.wrap = false
  vim.wo.cursorline = true
  map('<CR>', with_name(output.logs), 'follow the log')
  map('s', act('container/start'), 'start')
  map('S', act('container/stop'), 'stop')
  map('d', remove, 'remove')
  map('e', with_name(M.shell), 'a shell in it')
  map('r', refresh, 'read the list anew')
  map('q', '<cmd>bwipeout<CR>', 'close')
  follow()
end

return M
