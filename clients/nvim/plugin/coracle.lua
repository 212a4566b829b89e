-- :Coracle, with everything behind it. Nothing is loaded before it is used.
if vim.g.loaded_coracle then
  return
end
vim.g.loaded_coracle = true

vim.api.nvim_create_user_command('Coracle', function(command)
  require('coracle').command(command.fargs)
end, {
  nargs = '*',
  desc = 'Containers: pull, run, build, list, logs, exec, events',
  complete = function(lead, line)
    return require('coracle').complete(lead, line)
  end,
})
