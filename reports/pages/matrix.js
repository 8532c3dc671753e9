// The matrix page: a screenshot that is clicked on is shown enlarged.
const viewer = document.getElementById('viewer')
document.addEventListener('click', (event) => {
  const shot = event.target.closest('.shot')
  if (shot) {
    const image = viewer.querySelector('img')
    image.src = shot.firstElementChild.src
    image.alt = viewer.querySelector('p').textContent = shot.firstElementChild.alt
    viewer.showModal()
  } else if (event.target === viewer) viewer.close()
})
