--- Builds the current project's Dockerfile and runs what comes of it.
local output = require('coracle.output')
local report = require('coracle.report')

local M = {}

--- The nearest directory, from the current file's upwards, that has a Dockerfile.
function M.project(start)
  local place = start or vim.fn.expand('%:p:h')
  while true do
    for _, file in ipairs({ 'Dockerfile', 'Containerfile' }) do
      if vim.fn.filereadable(place .. '/' .. file) == 1 then
        return place, file
      end
    end
    local parent = vim.fn.fnamemodify(place, ':h')
    if parent == place then
      return nil
    end
    place = parent
  end
end

--- The name that a project's image gets: that of its directory, as far as references may have it.
function M.reference(place)
  local name = vim.fn.fnamemodify(place, ':t'):lower():gsub('[^%w]+', '-'):gsub('^-+', ''):gsub('-+$', '')
  return (name == '' and 'project' or name) .. ':latest'
end

--- Builds and runs; calls back with an error, or with the build's result and the call of the run.
function M.run(start, callback)
  callback = callback or function() end
  local place, file = M.project(start and vim.fn.fnamemodify(start, ':p:h'))
  if not place then
    local err = { message = 'there is no Dockerfile in this directory or above it' }
    report.error(err)
    return callback(err)
  end
  local reference = M.reference(place)
  -- By its path, since the service is on this machine; over ssh it is one of the other machine.
  local params = { context = place, file = file, references = { reference } }
  local function finish(err, result)
    if err then
      if err.code ~= -32800 then
        report.error(err)
      end
      return callback(err)
    end
    local cached = #vim.tbl_filter(function(step)
      return step.cached
    end, result.steps)
    report.info(('built %s: %d steps, %d of them from the cache'):format(reference, #result.steps, cached))
    local _, call = output.run(reference)
    callback(nil, result, call)
  end
  output.show('coracle://build/' .. reference, 'build/start', params, finish, function(request, streams)
    request.output, request.initialCredit = streams.stdout, streams.initialCredit
  end)
end

return M
