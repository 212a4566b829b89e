--- Containers in Neovim.
local report = require('coracle.report')
local session = require('coracle.session')

local M = {}

--- `command` starts the service and `repl` the REPL, for shells in a terminal; over ssh:
---
---     require('coracle').setup({
---       command = { 'ssh', 'host', 'coracle', 'serve' },
---       repl = { 'coracle', 'repl', '--server', 'ssh host coracle serve' },
---     })
function M.setup(options)
  session.command = options.command or session.command
  session.repl = options.repl or session.repl
end

local function needs(argument, action)
  return function(arguments)
    if not arguments[1] then
      return report.warn('it needs ' .. argument)
    end
    action(arguments)
  end
end

local commands = {
  pull = needs('the name of an image', function(arguments)
    M.pulling = require('coracle.image').pull(arguments[1])
  end),
  cancel = function()
    if M.pulling then
      M.pulling.cancel()
    end
  end,
  run = needs('the name of an image', function(arguments)
    require('coracle.output').run(arguments[1], vim.list_slice(arguments, 2))
  end),
  build = function(arguments)
    require('coracle.build').run(arguments[1])
  end,
  list = function()
    require('coracle.containers').open()
  end,
  logs = needs('the name of a container', function(arguments)
    require('coracle.output').logs(arguments[1])
  end),
  exec = needs('the name of a container', function(arguments)
    local command = table.concat(vim.list_slice(arguments, 2), ' ')
    require('coracle.containers').shell(arguments[1], command ~= '' and command or nil)
  end),
  events = function(arguments)
    local events = require('coracle.events')
    if arguments[1] == 'off' then
      events.off()
    else
      events.on(#arguments > 0 and arguments or nil)
    end
  end,
  stop = function()
    session.stop()
  end,
}

--- Does what `:Coracle` was told, and lists the containers where that was nothing.
function M.command(arguments)
  local verb = arguments[1] or 'list'
  if not commands[verb] then
    return report.warn(('there is no :Coracle %s; there are %s'):format(verb, table.concat(M.verbs(), ', ')))
  end
  commands[verb](vim.list_slice(arguments, 2))
end

function M.verbs()
  local verbs = vim.tbl_keys(commands)
  table.sort(verbs)
  return verbs
end

local function names(method, params, pick)
  local found
  session.request(method, params, function(err, result)
    found = err and {} or pick(result)
  end)
  -- Completion waits, and cannot wait long.
  vim.wait(1000, function()
    return found
  end, 10)
  return found or {}
end

--- Completes commands, images and containers.
function M.complete(lead, line)
  local words = vim.split(line, '%s+')
  local found = {}
  if #words <= 2 then
    found = M.verbs()
  elseif #words == 3 and words[2] == 'run' then
    found = names('image/list', vim.empty_dict(), function(result)
      local references = {}
      for _, image in ipairs(result.images) do
        for _, reference in ipairs(image.references) do
          references[#references + 1] = reference:gsub('^docker%.io/library/', '')
        end
      end
      return references
    end)
  elseif #words == 3 and (words[2] == 'logs' or words[2] == 'exec') then
    found = names('container/list', { all = words[2] == 'logs' }, function(result)
      return vim.tbl_map(function(container)
        return container.name
      end, result.containers)
    end)
  elseif #words == 3 and words[2] == 'events' then
    found = { 'off', 'container.', 'image.' }
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, found)
end

return M
