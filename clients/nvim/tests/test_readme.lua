local here = vim.fn.fnamemodify(vim.fn.expand('<sfile>:p'), ':h')

--- The fenced blocks of a language in README.md.
local function blocks(language)
  local found, inside = {}, nil
  for _, line in ipairs(vim.fn.readfile(here .. '/../README.md')) do
    if line == '```' .. language then
      inside = {}
    elseif line == '```' and inside then
      table.insert(found, inside)
      inside = nil
    elseif inside then
      table.insert(inside, line)
    end
  end
  return found
end

return {
  {
    name = 'the commands that the README shows work',
    body = function(t)
      local commands = blocks('vim')[1]
      t.equal(#commands, 4)
      vim.cmd(commands[1])
      t.line('^hello$')
      for index = 2, #commands do
        vim.cmd(commands[index])
      end
      t.line('^NAME ')
      t.equal(t.told, {})
    end,
  },
  {
    name = 'so does its Lua',
    body = function(t)
      local examples = blocks('lua')
      t.equal(#examples, 2)
      local session = require('coracle.session')
      local command = session.command
      assert(loadstring(table.concat(examples[1], '\n')))()
      t.equal({ session.command[1], session.repl[3] }, { 'ssh', '--server' })
      require('coracle').setup({ command = command })
      local printed
      print = function(text)
        printed = text
      end
      assert(loadstring(table.concat(examples[2], '\n')))()
      t.wait('a history', function()
        return printed
      end)
      t.equal(printed, 1)
    end,
  },
  {
    name = 'and each command is in its table',
    body = function(t)
      local text = table.concat(vim.fn.readfile(here .. '/../README.md'), '\n')
      for _, verb in ipairs(require('coracle').verbs()) do
        t.equal(text:find('| `:Coracle[^|]*' .. verb) ~= nil or verb, true)
      end
    end,
  },
}
