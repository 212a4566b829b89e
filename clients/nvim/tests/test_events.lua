return {
  {
    name = 'events are told, also those that happen while there is no service',
    body = function(t)
      local events = require('coracle.events')
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      t.start('first', 'exit 3')
      t.hear('^first: started$')
      t.hear('^first: exited with 3$')
      t.told = {}
      t.kill()
      vim.fn.system({ 'coracle', 'repl', '-c', 'rm first' })
      t.hear('^first: removed$')
      t.equal(#t.told, 1)
      vim.cmd('Coracle events off')
      t.told = {}
      t.start('second')
      t.remove('second')
      t.equal(t.told, {})
    end,
  },
  {
    name = 'the session that a person ends stays ended, and events and the list go on with the next one',
    body = function(t)
      local events = require('coracle.events')
      local session = require('coracle.session')
      vim.cmd('Coracle list')
      local list = vim.api.nvim_get_current_buf()
      t.line('^NAME ')
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      t.stop()
      t.equal(t.services(), {})
      vim.fn.system({ 'coracle', 'repl', '-c', 'create --name outside hello:1 true' })
      -- Far longer than the first pause after which they would begin one.
      local subscription = require('coracle.subscription')
      vim.wait(5 * subscription.first_pause, function()
        return #t.services() > 0
      end, 5)
      t.equal(t.services(), {})
      t.equal(t.told, {})
      t.request('system/ping', vim.empty_dict())
      t.hear('^outside: created$')
      t.line('^outside ', list)
      -- A request behind the end is one of the next session.
      session.stop()
      t.request('system/ping', vim.empty_dict())
      events.off()
      t.remove('outside')
    end,
  },
  {
    name = 'an outage is told of once, and the service asked for with growing pauses until a person ends that',
    body = function(t)
      local events = require('coracle.events')
      local session = require('coracle.session')
      local command = session.command
      local starts = vim.fn.tempname()
      local function count()
        return vim.fn.filereadable(starts) == 1 and #vim.fn.readfile(starts) or 0
      end
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      require('coracle').setup({ command = { 'sh', '-c', 'date +%s%N >> ' .. starts .. '; exit 255' } })
      t.kill()
      t.wait('four starts', function()
        return count() >= 4
      end)
      t.wait('the end of the last one', function()
        return #t.services() == 0
      end)
      t.equal(t.told, { 'the service has ended with status 255' })
      local times = vim.tbl_map(tonumber, vim.fn.readfile(starts))
      -- 0.2 and 0.4 s, in nanoseconds, at least.
      t.equal({ times[3] - times[2] >= 2e8, times[4] - times[3] >= 4e8 }, { true, true })
      vim.cmd('Coracle stop')
      local before = count()
      vim.wait(1800, function()
        return count() > before
      end, 5)
      t.equal(count(), before)
      require('coracle').setup({ command = command })
      t.told = {}
      t.request('system/ping', vim.empty_dict())
      t.start('after', 'exit 0')
      t.hear('^after: exited with 0$')
      events.off()
      t.remove('after')
    end,
  },
  {
    name = 'a service that is not there is told of',
    body = function(t)
      local session = require('coracle.session')
      session.stop()
      local command = session.command
      require('coracle').setup({ command = { '/no/coracle', 'serve' } })
      local missing = t.await(function(callback)
        session.request('system/ping', vim.empty_dict(), callback)
      end)
      t.equal(missing.message, 'cannot find /no/coracle in PATH')
      require('coracle').setup({ command = { 'sh', '-c', 'exit 7' } })
      local err = t.await(function(callback)
        session.request('system/ping', vim.empty_dict(), callback)
      end)
      t.equal(err.message, 'the service has ended with status 7')
      require('coracle').setup({ command = command })
      t.request('system/ping', vim.empty_dict())
    end,
  },
}
