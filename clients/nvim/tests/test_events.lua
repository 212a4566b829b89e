return {
  {
    name = 'events are told, also those that happen while there is no service',
    body = function(t)
      local events = require('coracle.events')
      local session = require('coracle.session')
      t.equal(t.await(function(callback)
        events.on({ 'container.' }, callback)
      end), nil)
      t.start('first', 'exit 3')
      t.hear('^first: started$')
      t.hear('^first: exited with 3$')
      t.told = {}
      session.stop()
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
    name = 'a service that is not there is told of',
    body = function(t)
      local session = require('coracle.session')
      session.stop()
      local command = session.command
      require('coracle').setup({ command = { '/no/coracle', 'serve' } })
      t.wait('the end', function()
        local err = t.await(function(callback)
          session.request('system/ping', vim.empty_dict(), callback)
        end)
        return err and err.message:find('cannot find /no/coracle')
      end)
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
