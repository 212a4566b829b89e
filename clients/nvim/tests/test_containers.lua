local containers = require('coracle.containers')

--- Presses a key on the line of the list that matches.
local function press(key, line)
  vim.api.nvim_win_set_cursor(0, { line, 0 })
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(key, true, false, true), 'x', false)
end

return {
  {
    name = 'the list keeps itself up to date, and keys act on its lines',
    body = function(t)
      vim.fn.confirm = function()
        return 1
      end
      vim.cmd('Coracle')
      t.line('^NAME +STATE +IMAGE +COMMAND')
      t.start('web')
      local line = t.line('^web +running +hello:1 +sh %-c exec sleep 1000$')
      press('S', line)
      t.line('^web +exited')
      press('s', line)
      t.line('^web +running')
      press('d', line)
      t.wait('an empty list', function()
        return #t.lines() == 2
      end)
      press('d', 1)
      t.hear('no container on this line')
      -- A second time it is the same buffer.
      local buffer = vim.api.nvim_get_current_buf()
      vim.cmd('Coracle list')
      t.equal(vim.api.nvim_get_current_buf(), buffer)
      press('q', 1)
      t.equal(vim.api.nvim_buf_is_valid(buffer), false)
    end,
  },
  {
    name = 'enter follows the log, e is a shell in a terminal',
    body = function(t)
      t.start('web', 'echo greeting; exec sleep 1000')
      vim.cmd('Coracle')
      local list = vim.api.nvim_get_current_buf()
      local line = t.line('^web ')
      press('<CR>', line)
      t.line('^greeting$')
      vim.cmd('bwipeout')
      vim.api.nvim_set_current_win(vim.fn.win_findbuf(list)[1])
      press('e', line)
      t.equal(vim.bo.buftype, 'terminal')
      local job = vim.b.terminal_job_id
      vim.fn.chansend(job, 'echo $((40 + 2)) && tty && exit 3\n')
      t.line('^42')
      t.line('^/dev/')
      t.line('^%[Process exited 3%]')
      t.remove('web')
    end,
  },
  {
    name = 'the list goes on when the service has ended, and its end takes no subscription of others away',
    body = function(t)
      local events = require('coracle.events')
      vim.cmd('Coracle')
      local list = vim.api.nvim_get_current_buf()
      t.line('^NAME ')
      t.kill()
      vim.fn.system({ 'coracle', 'repl', '-c', 'create --name outside hello:1 true' })
      t.line('^outside ')
      t.remove('outside')
      t.wait('an empty list', function()
        return #t.lines(list) == 2
      end)
      -- What is subscribed to first has the same name in each session.
      t.kill()
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      vim.cmd('bwipeout! ' .. list)
      t.request('system/ping', vim.empty_dict())
      t.told = {}
      t.start('later')
      t.hear('^later: started$')
    end,
  },
  {
    name = 'a shell over ssh is one of the other machine',
    body = function(t)
      local place = vim.fn.tempname()
      vim.fn.mkdir(place, 'p')
      -- As sshd does, it gives all words to a shell as one line.
      vim.fn.writefile({ '#!/bin/sh', 'shift', 'exec sh -c "$*"' }, place .. '/ssh')
      vim.fn.setfperm(place .. '/ssh', 'rwxr-xr-x')
      vim.env.PATH = place .. ':' .. vim.env.PATH
      local lua = table.concat(vim.fn.readfile(t.here .. '/../README.md'), '\n'):match('Containers on another machine:%s+```lua\n(.-)```')
      assert(loadstring(lua))()
      t.start('far', 'exec sleep 1000')
      vim.cmd('Coracle exec far')
      vim.fn.chansend(vim.b.terminal_job_id, 'echo $((40 + 2)) && tty && exit 3\n')
      t.line('^42')
      t.line('^/dev/')
      t.line('^%[Process exited 3%]')
    end,
  },
}
